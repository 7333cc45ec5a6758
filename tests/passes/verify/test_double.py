"""Float64 copies of float32 models."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphprune.execution import execute, execute_float64
from graphprune.inspection import inspect
from graphprune.passes.verify import Trial
from graphprune.passes.verify.double import to_float64
from graphprune.passes.verify.proof import relative_error
from tests.nets import Draft, build


@pytest.mark.parametrize(
    "name", ["resnet", "attention_rotary", "resized", "half_precision", "quantised_linear", "gru"]
)
def test_the_copy_computes_the_same_with_more_digits(name: str) -> None:
    proto = build(name)
    before = proto.SerializeToString()
    feeds = Trial(execute, runs=1).inputs(inspect(proto).lowered)
    wide = [{k: v.astype(np.float64) for k, v in feed.items()} for feed in feeds]
    (small,), (large,) = execute(proto, feeds), execute_float64(to_float64(proto), wide)
    assert proto.SerializeToString() == before
    for key, array in large.items():
        assert array.dtype == np.float64
        assert relative_error(small[key], array) < (1e-2 if name == "half_precision" else 1e-5)


def test_types_are_declared_anew() -> None:
    proto = to_float64(build("resized"))
    kinds = {t.name: t.data_type for t in proto.graph.initializer}
    assert kinds["c1.w"] == TensorProto.DOUBLE
    assert kinds["singles1"] == TensorProto.FLOAT, "scales of a resize are float32 in any case"
    assert proto.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    assert proto.graph.output[0].type.tensor_type.elem_type == TensorProto.DOUBLE


def test_constants_and_casts_inside_nodes() -> None:
    m = Draft()
    x = m.input("x", 2, 3)
    one = m.op("Constant", value_float=1.5)
    vector = m.op("Constant", value_floats=[1.0, 2.0, 3.0])
    shape = m.op("Constant", value_ints=[2, 3])
    zeros = m.op("ConstantOfShape", shape)
    half = m.op("Cast", x, to=TensorProto.FLOAT16)
    back = m.op("Cast", half, to=TensorProto.FLOAT)
    m.output(m.op("Sum", m.op("Mul", back, one), m.op("Add", zeros, vector)))
    wide = to_float64(m.proto())
    onnx.checker.check_model(wide, full_check=True)
    (result,) = execute_float64(wide, [{"x": np.ones((2, 3))}])
    assert next(iter(result.values())).tolist() == [[2.5, 3.5, 4.5]] * 2


def test_branches_are_widened_too() -> None:
    def branch(value: float) -> onnx.GraphProto:
        tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [value])
        constant = helper.make_node("Constant", [], ["c"], value=tensor)
        add = helper.make_node("Add", ["x", "c"], ["y"])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        return helper.make_graph([constant, add], "branch", [], [out])

    graph = helper.make_graph(
        [helper.make_node("If", ["b"], ["o"], then_branch=branch(1), else_branch=branch(2))],
        "net",
        [
            helper.make_tensor_value_info("b", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    feeds = {"b": np.array(False), "x": np.array([0.5])}
    (result,) = execute_float64(to_float64(model), [feeds])
    assert result["o"].dtype == np.float64
    assert result["o"].tolist() == [2.5]
