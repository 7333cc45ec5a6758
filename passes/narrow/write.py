"""Writing a narrowed model: beside the target, synced, renamed; never half a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import onnx
from onnx import numpy_helper

from graphprune.errors import GraphpruneError
from graphprune.frontends.onnx import external
from graphprune.passes.narrow.edit import Array, Narrowed

_ALIGNMENT = 4096  # bytes between external tensors, so that each can be mapped
_LIMIT = (1 << 31) - (1 << 20)  # a protobuf message must stay below 2 GiB


def materialise(narrowed: Narrowed) -> onnx.ModelProto:
    """The model with all contents inside.

    Raises:
        GraphpruneError: It would exceed what one protobuf message can hold.
    """
    if _bytes(narrowed.proto) > _LIMIT:
        raise GraphpruneError(
            "the model does not fit into memory as one proto",
            why="protobuf messages end at 2 GiB",
            fix="give an output path; its tensors are then written beside it",
        )
    proto = onnx.ModelProto()
    proto.CopyFrom(narrowed.proto)
    for tensor in proto.graph.initializer:
        _fill(tensor, narrowed)
    return proto


def write(narrowed: Narrowed, path: Path) -> None:
    """Write the model; tensors that were external, or do not fit, go to ``<path>.data``.

    Args:
        narrowed: What the narrow pass gave.
        path: The file to write; it is replaced in one step.
    """
    apart = [t for t in narrowed.proto.graph.initializer if external.is_external(t)]
    if _bytes(narrowed.proto) > _LIMIT:
        apart = list(narrowed.proto.graph.initializer)
    if not apart:
        with replacing(path) as file:
            file.write(materialise(narrowed).SerializeToString())
        return
    proto = onnx.ModelProto()
    proto.CopyFrom(narrowed.proto)
    names = {t.name for t in apart}
    data = path.with_name(path.name + ".data")
    with replacing(path) as file, replacing(data) as stream:
        for tensor in proto.graph.initializer:
            if tensor.name in names:
                _append(tensor, narrowed, stream, data.name)
            else:
                _fill(tensor, narrowed)
        file.write(proto.SerializeToString())


def _append(
    tensor: onnx.TensorProto, narrowed: Narrowed, stream: IO[bytes], location: str
) -> None:
    """One tensor to the data file; only this one is in memory."""
    array = _contents(tensor, narrowed)
    stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
    offset = stream.tell()
    little = np.ascontiguousarray(array)
    stream.write(little.reshape(-1).view(np.uint8).data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", offset), ("length", little.nbytes)):
        tensor.external_data.add(key=key, value=str(value))


def _contents(tensor: onnx.TensorProto, narrowed: Narrowed) -> Array:
    source = narrowed.tensors.get(tensor.name)
    return source() if source is not None else narrowed.model.read(tensor)


def _fill(tensor: onnx.TensorProto, narrowed: Narrowed) -> None:
    """Put a tensor's contents into the proto."""
    source = narrowed.tensors.get(tensor.name)
    if source is not None:
        filled = numpy_helper.from_array(source(), tensor.name)
        tensor.ClearField("data_location")
        del tensor.external_data[:]
        tensor.raw_data = filled.raw_data
    elif external.is_external(tensor):
        filled = numpy_helper.from_array(np.array(narrowed.model.read(tensor)), tensor.name)
        tensor.ClearField("data_location")
        del tensor.external_data[:]
        tensor.raw_data = filled.raw_data
    elif not tensor.HasField("raw_data"):
        tensor.CopyFrom(narrowed.model.whole(tensor))


def _bytes(proto: onnx.ModelProto) -> int:
    total = int(proto.ByteSize())
    for tensor in proto.graph.initializer:
        size = 1
        for n in tensor.dims:
            size *= n
        bits = numpy_helper.to_array(onnx.TensorProto(data_type=tensor.data_type, dims=[0]))
        total += 0 if tensor.HasField("raw_data") else size * bits.dtype.itemsize
    return total


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is complete.

    Raises:
        GraphpruneError: The folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise GraphpruneError(
            "the file cannot be written", where=str(path), why=error.strerror or str(error)
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
