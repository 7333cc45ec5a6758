"""What an ONNX model computes, observed on onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from graphprune import observation
from graphprune.data import Feeds
from graphprune.errors import BadData, UnsupportedModel
from graphprune.frontends.onnx import load, lower
from graphprune.observation import ObservedOnnx
from tests.onnxtext import model

pytest.importorskip("onnxruntime")

NET = """
    net (float[N,3,4,4] x) => (float[N,2] y) <float[5,3,3,3] a, float[2,5] w> {
        h = Conv(x, a)
        r = Relu(h)
        m = ReduceMean<axes = [2, 3], keepdims = 0>(r)
        y = Gemm<transB = 1>(m, w)
    }
"""

FUNCTION = """
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    net (float[1,4] x) => (float[1,2] y) <float[4,8] a, float[8,2] b> {
        y = local.mlp(x, a, b)
    }
    <domain: "local", opset_import: ["" : 17]>
    mlp (x, a, b) => (y) {
        h = MatMul(x, a)
        y = MatMul(h, b)
    }
"""


def batch(samples: int, seed: int = 0) -> Feeds:
    rng = np.random.default_rng(seed)
    return {"x": rng.standard_normal((samples, 3, 4, 4)).astype(np.float32)}


def intermediate(proto: onnx.ModelProto, name: str, feed: Feeds) -> np.ndarray:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.output.extend([onnx.ValueInfoProto(name=name)])
    results: Any = ReferenceEvaluator(copy).run([name], feed)
    return np.asarray(results[0])


def test_values_are_those_that_the_operators_give() -> None:
    proto = model(NET)
    feeds = [batch(3), batch(2, seed=1)]
    found = list(ObservedOnnx(lower(load(proto)), feeds).activations(["x", "r", "y"]))
    assert [sorted(contents) for contents in found] == [["r", "x", "y"]] * 2
    for contents, feed in zip(found, feeds, strict=True):
        np.testing.assert_array_equal(contents["x"], feed["x"])
        expected = intermediate(proto, "r", feed)
        np.testing.assert_allclose(contents["r"], expected, atol=1e-6)
    assert len(proto.graph.output) == 1


def test_a_file_is_observed_like_a_proto(tmp_path: Path) -> None:
    proto = model(NET)
    onnx.save(proto, tmp_path / "net.onnx")
    (one,) = ObservedOnnx(lower(load(tmp_path / "net.onnx")), [batch(2)]).activations(["r"])
    (other,) = ObservedOnnx(lower(load(proto)), [batch(2)]).activations(["r"])
    np.testing.assert_array_equal(one["r"], other["r"])


def test_large_batches_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    # One sample has 20 elements of r: two samples at a time.
    monkeypatch.setattr(observation, "_AT_ONCE", 40)
    lowered = lower(load(model(NET)))
    found = list(ObservedOnnx(lowered, [batch(5)]).activations(["x", "r"]))
    assert [len(contents["r"]) for contents in found] == [2, 2, 1]
    assert [len(contents["x"]) for contents in found] == [2, 2, 1]
    whole = lower(load(model(NET)))
    monkeypatch.undo()
    (together,) = ObservedOnnx(whole, [batch(5)]).activations(["r"])
    np.testing.assert_allclose(np.concatenate([c["r"] for c in found]), together["r"], atol=1e-6)


def test_fixed_batches_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "_AT_ONCE", 1)
    lowered = lower(load(model(NET.replace("[N,", "[4,"))))
    found = list(ObservedOnnx(lowered, [batch(4)]).activations(["r"]))
    assert [len(contents["r"]) for contents in found] == [4]


def test_progress_is_told_by_batches() -> None:
    told: list[tuple[int, int | None]] = []
    lowered = lower(load(model(NET)))
    observer = ObservedOnnx(
        lowered, [batch(1), batch(2)], progress=lambda done, of: told.append((done, of))
    )
    list(observer.activations(["r"]))
    assert told == [(1, 2), (2, 2)]


def test_what_an_operation_hides_cannot_be_observed() -> None:
    lowered = lower(load(model(FUNCTION)))
    inner = lowered.graph.nodes[0].outputs[0]
    with pytest.raises(UnsupportedModel) as caught:
        ObservedOnnx(lowered, [{"x": np.ones((1, 4), np.float32)}]).activations([inner])
    assert caught.value.where == inner
    assert "inside of an operation or a function" in str(caught.value)


def test_there_are_no_gradients() -> None:
    observed = ObservedOnnx(lower(load(model(NET))), [batch(1)])
    for ask in (observed.gradients, observed.hessian_gradients):
        with pytest.raises(UnsupportedModel) as caught:
            ask(["a"])
        assert str(caught.value) == (
            "UnsupportedModel: gradients need the nn.Module\n"
            "  why:   an ONNX file says how to compute forwards only\n"
            "  fix:   prune the nn.Module with data= and loss=, or choose a criterion without "
            "gradients"
        )


def test_without_batches_it_refuses_at_once() -> None:
    with pytest.raises(BadData, match="data holds no batches"):
        ObservedOnnx(lower(load(model(NET))), []).activations(["r"])


def test_the_parameters_count_as_learnable() -> None:
    assert ObservedOnnx(lower(load(model(NET))), []).learnable == {"a", "w"}
