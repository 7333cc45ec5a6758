"""Float64: where float32 cannot tell a mistake from rounding, count with more digits."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Operands that ONNX declares as float32 whatever the data's type is.
_SINGLE = {("Resize", 1), ("Resize", 2), ("Upsample", 1)}


def to_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a float32 model that computes in float64.

    Args:
        model: Whole, contents inside.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    single = {
        node.input[i] for node in copy.graph.node for op, i in _SINGLE
        if node.op_type == op and i < len(node.input)
    }  # fmt: skip
    for tensor in copy.graph.initializer:
        if tensor.name not in single:
            _widen(tensor)
    _widen_nodes(copy.graph, single)
    for function in copy.functions:
        for node in function.node:
            _widen_node(node)
    for info in (*copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        kind = info.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT and info.name not in single:
            kind.elem_type = TensorProto.DOUBLE
    return copy


def _widen_nodes(graph: onnx.GraphProto, single: set[str]) -> None:
    for node in graph.node:
        if not single & set(node.output):
            _widen_node(node)


def _widen_node(node: onnx.NodeProto) -> None:
    """Constants and casts inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t)
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
        if attribute.HasField("g"):
            for tensor in attribute.g.initializer:
                _widen(tensor)
            _widen_nodes(attribute.g, set())
        if node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            numbers = np.array(helper.get_attribute_value(attribute), np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1, np.float64))
        node.attribute.append(helper.make_attribute("value", zero))


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64)))
        tensor.name = name
