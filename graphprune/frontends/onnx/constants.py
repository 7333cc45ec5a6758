"""Constant nodes read as tensors."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphprune.frontends.onnx.native import Native

_NUMBERS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def constant_tensor(node: Native) -> onnx.TensorProto | None:
    """The tensor a Constant node holds; None for sparse and string constants."""
    name = node.proto.output[0]
    for attribute in node.proto.attribute:
        if attribute.name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(attribute.t)
            tensor.name = name
            return tensor
        if attribute.name in _NUMBERS:
            value = helper.get_attribute_value(attribute)
            array = np.array(value, dtype=_NUMBERS[attribute.name])
            return numpy_helper.from_array(array, name)
    return None
