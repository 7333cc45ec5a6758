"""Constant nodes in all of their forms are tensors like any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load, lower
from graphprune.frontends.onnx.constants import constant_tensor
from tests.onnxtext import model


def constant(**attribute: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], **attribute)


@pytest.mark.parametrize(
    ("attribute", "dtype", "shape"),
    [
        ({"value_float": 2.5}, "float32", ()),
        ({"value_floats": [2.5, 1.0]}, "float32", (2,)),
        ({"value_int": 3}, "int64", ()),
        ({"value_ints": [3, -1]}, "int64", (2,)),
        ({"value": numpy_helper.from_array(np.ones((2, 1), np.float16))}, "float16", (2, 1)),
    ],
)
def test_numbers(attribute: dict[str, Any], dtype: str, shape: tuple[int, ...]) -> None:
    tensor = constant_tensor(constant(**attribute))
    assert tensor is not None and tensor.name == "c"
    array = numpy_helper.to_array(tensor)
    assert (array.dtype.name, array.shape) == (dtype, shape)
    (given,) = attribute.values()
    wanted = numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else given
    assert np.array_equal(array, np.array(wanted, dtype))


def test_texts_and_sparse_tensors_are_no_tensors_of_numbers() -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "c")
    indices = numpy_helper.from_array(np.array([1], np.int64), "i")
    for attribute in (
        {"value_string": "a"},
        {"value_strings": ["a", "b"]},
        {"sparse_value": helper.make_sparse_tensor(values, indices, [4])},
    ):
        assert constant_tensor(constant(**attribute)) is None


def test_a_form_that_holds_something_else_is_refused() -> None:
    node = constant(value_int=3)
    node.attribute[0].CopyFrom(helper.make_attribute("value_int", "three"))
    with pytest.raises(InvalidModel, match="a Constant holds no number"):
        constant_tensor(node)


def test_every_form_in_a_graph() -> None:
    """Axes, bounds, weights and sparse tensors; texts freeze what they touch."""
    proto = model(
        """
        net (float[2,8] x, string[2] s) => (float[2,4] y, bool[2] z) {
          w = Constant<value = float[8,4] {0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,
                                           21,22,23,24,25,26,27,28,29,30,31}>()
          b = Constant<value_floats = [1.5, 2.5, 3.5, 4.5]>()
          k = Constant<value_float = 0.5>()
          i = Constant<value_ints = [0]>()
          e = Constant<value_int = 1>()
          t = Constant<value_strings = ["a", "b"]>()
          h = MatMul(x, w)
          a = Add(h, b)
          m = Mul(a, k)
          u = Unsqueeze(m, i)
          y = Squeeze(u, i)
          z = Equal(s, t)
        }
        """,
        opset=19,
    )
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    indices = numpy_helper.from_array(np.array([1], np.int64), "v.i")
    proto.graph.node.insert(
        0, helper.make_node("Constant", [], ["p"], sparse_value=helper.make_sparse_tensor(
            values, indices, [4]))
    )  # fmt: skip
    proto.graph.node.insert(8, helper.make_node("Add", ["h", "p"], ["h2"]))
    proto.graph.node[9].input[0] = "h2"
    lowered = lower(load(proto))
    assert {v.source for v in lowered.graph.params} == {"w", "b", "k"}
    assert lowered.contents("b").tolist() == [1.5, 2.5, 3.5, 4.5]
    opaque = {n.title for n in lowered.graph.nodes if n.op == "opaque"}
    assert opaque == {"p", "t"}
    assert lowered.graph.values["p"].shape == (4,)
