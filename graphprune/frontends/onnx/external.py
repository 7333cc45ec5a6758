"""External data: tensors in files beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from graphprune.errors import InvalidModel


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the tensor's contents lie in a file of their own."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def entries(tensor: onnx.TensorProto) -> tuple[str, int, int | None]:
    """Location, offset and length (None: to the end) of an external tensor."""
    pairs = {entry.key: entry.value for entry in tensor.external_data}
    length = pairs.get("length")
    return pairs.get("location", ""), int(pairs.get("offset", 0)), int(length) if length else None


def locate(tensor: onnx.TensorProto, model: Path | None) -> Path:
    """The file that holds an external tensor.

    Raises:
        InvalidModel: The file is missing, too short, or outside the model's folder.
    """
    try:
        location, offset, length = entries(tensor)
    except ValueError as error:
        raise _bad(tensor, "its offset or length is no number", "") from error
    if model is None:
        raise _bad(tensor, "the model was given without a path", "give the file's path instead")
    folder = model.resolve().parent
    path = folder / location
    if not location or Path(location).is_absolute() or not path.resolve().is_relative_to(folder):
        raise _bad(
            tensor,
            f"'{location}' leaves the model's folder",
            "move the data beside the model and save it with a relative location",
        )
    if not path.is_file():
        raise _bad(tensor, f"'{location}' does not exist", f"put it into {folder}")
    if offset < 0 or offset + (length or 0) > path.stat().st_size:
        raise _bad(
            tensor,
            f"'{location}' ends before byte {offset + (length or 0)}",
            "copy the data file again; it is incomplete",
        )
    return path


def mapped(tensor: onnx.TensorProto, model: Path | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An external tensor, memory-mapped.

    Args:
        tensor: A tensor with external data.
        model: Path of the model file.
        dtype: NumPy type of its elements.

    Raises:
        InvalidModel: As :func:`locate`, or its length does not fit its shape.
    """
    path = locate(tensor, model)
    _, offset, length = entries(tensor)
    shape = tuple(tensor.dims)
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if length is not None and length != wanted:
        raise _bad(tensor, f"{length} bytes for {wanted} bytes of {list(shape)} {dtype}", "")
    if offset + wanted > path.stat().st_size:
        raise _bad(tensor, f"'{path.name}' is too short", "copy the data file again")
    if wanted == 0:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def _bad(tensor: onnx.TensorProto, why: str, fix: str) -> InvalidModel:
    return InvalidModel(
        f"external data of tensor '{tensor.name}' cannot be used", why=why, fix=fix or None
    )
