"""What a backend reads of an ONNX model before it builds an engine."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from graphprune.backends.base import Model, Shapes
from graphprune.data import Array
from graphprune.errors import BackendError


def place(model: Model) -> str | None:
    """Names the model in messages, where it has a name."""
    if isinstance(model, bytes):
        return None
    return (model.graph.name or None) if isinstance(model, onnx.ModelProto) else str(model)


def structure(model: Model) -> onnx.ModelProto:
    """Returns the model; of a file, without its external data.

    Raises:
        OSError: The file cannot be read.
        google.protobuf.message.DecodeError: It is no ONNX model.
    """
    if isinstance(model, bytes):
        return onnx.load_from_string(model)
    if isinstance(model, onnx.ModelProto):
        return model
    return onnx.load(str(model), load_external_data=False)


def sizes(model: Model, shapes: Shapes) -> dict[str, int]:
    """Returns the sizes that shapes give to the model's symbolic dimensions, by symbol.

    Args:
        model: An ONNX model.
        shapes: Shapes by input name.

    Raises:
        BackendError: A shape does not fit the model.
    """
    inputs = {info.name: info.type.tensor_type.shape.dim for info in structure(model).graph.input}
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in inputs:
            raise BackendError(
                f"the model has no input named {name!r}", why=f"its inputs: {', '.join(inputs)}"
            )
        dims = inputs[name]
        if len(dims) != len(shape):
            why = f"it has {len(dims)} axes, the shape {len(shape)}"
            raise BackendError(f"the shape given for input {name!r} does not fit", why=why)
        for axis, (dim, size) in enumerate(zip(dims, shape, strict=True)):
            known = dim.dim_value if dim.HasField("dim_value") else found.get(dim.dim_param, size)
            if known != size:
                why = f"axis {axis} has size {known}, the shape says {size}"
                raise BackendError(f"the shape given for input {name!r} does not fit", why=why)
            if dim.dim_param:
                found[dim.dim_param] = size
    return found


def check_weights(weights: Mapping[str, Array], model: Model) -> None:
    """Compares arrays with the initializers they replace.

    Raises:
        BackendError: An array has no initializer, or differs from it in shape or element type.
    """
    known = {tensor.name: tensor for tensor in structure(model).graph.initializer}
    for name, array in weights.items():
        if name not in known:
            raise BackendError(f"the model has no initializer named {name!r}")
        shape = tuple(known[name].dims)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(known[name].data_type)
        if (array.shape, array.dtype) != (shape, dtype):
            raise BackendError(
                f"the array for weight {name!r} does not fit",
                why=f"it is {array.dtype}{list(array.shape)}, "
                f"the initializer is {dtype}{list(shape)}",
            )
