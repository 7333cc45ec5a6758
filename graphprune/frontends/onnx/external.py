"""External data: tensors in files beside the model."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
from onnx import helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.disk import Opened

# Bits of the element types of which several share a byte.
_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
PACKED = {v: _BITS[n] for n, v in onnx.TensorProto.DataType.items() if n in _BITS}


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the tensor's contents lie in a file of their own.

    Args:
        tensor: Any tensor.
    """
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def nbytes(tensor: onnx.TensorProto) -> int:
    """Bytes that the contents of a tensor take, in a file or as ``raw_data``.

    Args:
        tensor: Of a type whose elements have a size.

    Raises:
        KeyError: They have none.
    """
    bits = PACKED.get(tensor.data_type)
    if bits is None:
        bits = 8 * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    return int(-(-prod(tensor.dims) * bits // 8))


def locate(tensor: onnx.TensorProto, model: Path | None) -> tuple[Opened, int, int]:
    """Where an external tensor lies: the file, the offset and the length in bytes.

    Args:
        tensor: A tensor with external data.
        model: Path of the model file.

    Raises:
        InvalidModel: The file is missing, too short, or outside the model's folder, or its
            length does not fit the tensor's shape.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        offset, wanted = int(entries.get("offset") or 0), nbytes(tensor)
        length = int(entries.get("length") or wanted)
    except ValueError as error:
        raise _bad(tensor, "its offset or length is no number") from error
    except (KeyError, TypeError) as error:
        raise _bad(tensor, f"elements of type {tensor.data_type} have no size") from error
    if length != wanted:
        raise _bad(tensor, f"{length} bytes for {wanted} bytes of {list(tensor.dims)}")
    file = _open(tensor, location, model)
    if offset < 0 or offset + wanted > file.size:
        raise _bad(
            tensor,
            f"'{location}' ends before byte {offset + wanted}",
            "copy the data file again; it is incomplete",
        )
    return file, offset, wanted


def _open(tensor: onnx.TensorProto, location: str, model: Path | None) -> Opened:
    """The file that a location names, if it is beside the model."""
    if model is None:
        raise _bad(tensor, "the model was given without a path", "give the file's path instead")
    folder = model.parent.resolve()
    try:
        path = (folder / location).resolve()
        inside = path.is_relative_to(folder) and not Path(location).is_absolute()
        if not location or not inside:
            raise _bad(
                tensor,
                f"'{location}' leaves the model's folder",
                "move the data beside the model and save it with a relative location",
            )
        return Opened(path)
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _bad(tensor, f"'{location}': {why}", f"put it into {folder}") from error


def _bad(tensor: onnx.TensorProto, why: str, fix: str | None = None) -> InvalidModel:
    return InvalidModel(f"external data of tensor '{tensor.name}' cannot be used", why=why, fix=fix)
