"""The engine's own copy of a model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")

from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.tensorrt.prepare import (
    inputs,
    name_of,
    operators,
    prepare,
    read,
    write,
)
from graphprune.backends.tensorrt.shapes import Range
from graphprune.errors import BackendError, BackendUnavailable
from tests.backends.tensorrt.faking import images, model, small

FLOAT = TensorProto.FLOAT


def dims(made: onnx.ModelProto) -> list[int | str]:
    (info,) = made.graph.input
    return [one.dim_param or one.dim_value for one in info.type.tensor_type.shape.dim]


def normed() -> onnx.ModelProto:
    nodes = [helper.make_node("LayerNormalization", ["x", "g", "b"], ["y"], name="norm")]
    weights = {"g": np.full(6, 2, np.float32), "b": np.ones(6, np.float32)}
    shape = {"x": (FLOAT, [2, 6])}
    return model(nodes, shape, {"y": (FLOAT, [2, 6])}, weights)


def test_an_open_batch_is_fixed_or_stays_open_as_the_range_says() -> None:
    fixed = prepare(small(), {"x": Range.only((2, 3, 4, 4))}, [])
    assert dims(fixed) == [2, 3, 4, 4]
    open_ = prepare(small(), {"x": Range((1, 3, 4, 4), (2, 3, 4, 4), (8, 3, 4, 4))}, [])
    assert dims(open_) == ["n", 3, 4, 4]
    wanted = OnnxRuntime().build(small()).run(images())["y"]
    for made in (fixed, open_):
        assert np.array_equal(OnnxRuntime().build(made).run(images())["y"], wanted)


def test_the_users_model_is_left_as_it_is(tmp_path: Path) -> None:
    source = small()
    source.doc_string = "mine"
    before = source.SerializeToString(deterministic=True)
    prepare(read(source), {"x": Range.only((2, 3, 4, 4))}, [])
    assert source.SerializeToString(deterministic=True) == before


def test_constants_are_folded_and_what_nobody_reads_is_gone() -> None:
    nodes = [
        helper.make_node("Add", ["w", "w"], ["v"], name="twice"),
        helper.make_node("Relu", ["x"], ["unread"], name="unread"),
        helper.make_node("MatMul", ["x", "v"], ["y"], name="product"),
    ]
    weights = {"w": np.ones((4, 3), np.float32)}
    made = model(nodes, {"x": (FLOAT, [1, 4])}, {"y": (FLOAT, [1, 3])}, weights)
    folded = prepare(made, {"x": Range.only((1, 4))}, [])
    assert [node.name for node in folded.graph.node] == ["product"]


def test_operators_the_parser_does_not_know_are_spelled_out() -> None:
    assert "LayerNormalization" in operators(normed())
    ranges = {"x": Range.only((2, 6))}
    kept = prepare(normed(), ranges, [])
    assert [node.op_type for node in kept.graph.node] == ["LayerNormalization"]
    spelled = prepare(normed(), ranges, ["LayerNormalization"])
    assert "LayerNormalization" not in {node.op_type for node in spelled.graph.node}
    x = {"x": np.random.default_rng(0).standard_normal((2, 6)).astype(np.float32)}
    found, wanted = (OnnxRuntime().build(one).run(x)["y"] for one in (spelled, kept))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_functions_of_the_models_own_are_spelled_out() -> None:
    body = [helper.make_node("Relu", ["a"], ["b"])]
    made = model(
        [helper.make_node("Mine", ["x"], ["y"], domain="own")],
        {"x": (FLOAT, [2])},
        {"y": (FLOAT, [2])},
        {},
    )
    opset = helper.make_opsetid("", 17)
    made.functions.append(helper.make_function("own", "Mine", ["a"], ["b"], body, [opset]))
    made.opset_import.append(helper.make_opsetid("own", 1))
    flat = prepare(made, {"x": Range.only((2,))}, [])
    assert [node.op_type for node in flat.graph.node] == ["Relu"]


def test_every_node_has_a_name_to_be_found_by() -> None:
    made = model(
        [helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, [2])}, {"y": (FLOAT, [2])}, {}
    )
    assert name_of(made.graph.node[0]) == "Relu:y"
    prepared = prepare(made, {"x": Range.only((2,))}, [])
    assert [node.name for node in prepared.graph.node] == ["Relu:y"]


def test_inputs_that_have_a_default_are_not_fed() -> None:
    made = small()
    made.graph.input.append(helper.make_tensor_value_info("a.weight", FLOAT, [16, 3, 3, 3]))
    assert [str(spec) for spec in inputs(made)] == ["x: float32[n,3,4,4]"]


def test_files_bytes_and_models_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    write(small(), path)
    for source in (path, str(path), path.read_bytes(), small()):
        assert read(source).graph == small().graph
    with pytest.raises(BackendError, match="the model cannot be read"):
        read(tmp_path / "absent.onnx")
    with pytest.raises(BackendError, match="the model cannot be read"):
        read(b"not a model")


def test_without_graphsurgeon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx_graphsurgeon", None)
    with pytest.raises(BackendUnavailable) as caught:
        prepare(small(), {}, [])
    assert caught.value.fix == "pip install onnx-graphsurgeon"
