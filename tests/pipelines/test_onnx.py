"""ONNX models pruned by what they compute on data."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.compiler import prune
from graphprune.errors import BadData, UnsupportedModel
from tests.onnxtext import model

pytest.importorskip("onnxruntime")

NET = """
    net (float[N,3,6,6] x) => (float[N,4] y)
    <float[12,3,3,3] a, float[10,12,3,3] b, float[4,10] w> {
        p = Conv<pads = [1,1,1,1]>(x, a)
        q = Relu(p)
        r = Conv(q, b)
        s = Relu(r)
        m = ReduceMean<axes = [2, 3], keepdims = 0>(s)
        y = Gemm<transB = 1>(m, w)
    }
"""


def batches(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((4, 3, 6, 6)).astype(np.float32)} for _ in range(count)]


def test_sensitivities_decide_widths_and_units() -> None:
    result = prune(model(NET), macs=0.5, criterion="pfp", allocation="pfp", data=batches(3))
    assert result.proof.ok
    assert result.cost[1].macs <= result.cost[0].macs / 2
    assert [found.group for found in result.guarantees] == ["g1", "g2"]
    assert any("sensitivities are over 12 data points" in note for note in result.notes)


def test_without_data_the_error_says_how_to_give_them() -> None:
    with pytest.raises(BadData, match=r"--data FILE\.npz"):
        prune(model(NET), macs=0.5, criterion="pfp")


def test_gradients_need_the_module() -> None:
    with pytest.raises(UnsupportedModel, match=r"gradients need the nn\.Module"):
        prune(model(NET), macs=0.5, criterion="taylor", data=batches(1))


def test_the_result_is_proven_on_the_first_batches() -> None:
    result = prune(model(NET), macs=0.5, data=iter(batches(12)))
    assert result.proof.masked is not None
    assert result.proof.masked.given == 8
    assert result.guarantees == ()
