"""Constant nodes read as tensors."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphprune.errors import InvalidModel

_NUMBERS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def constant_tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor a Constant node holds; None for sparse and string constants.

    Args:
        node: A Constant, its attribute in any of the forms there are.

    Raises:
        InvalidModel: It holds something else than its attribute's name says.
    """
    name = next(iter(node.output), "")
    for attribute in node.attribute:
        if attribute.name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(attribute.t)
            tensor.name = name
            return tensor
        if attribute.name in _NUMBERS:
            value = helper.get_attribute_value(attribute)
            try:
                array = np.array(value, dtype=_NUMBERS[attribute.name])
            except (TypeError, ValueError) as error:
                raise InvalidModel(
                    "a Constant holds no number", where=node.name or name, why=str(error)
                ) from error
            return numpy_helper.from_array(array, name)
    return None
