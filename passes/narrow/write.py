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
from graphprune.frontends.onnx import external, wire
from graphprune.frontends.onnx.model import TYPED, in_proto, nested
from graphprune.passes.narrow.edit import Narrowed

_ALIGNMENT = 4096  # bytes between external tensors, so that each can be mapped
_LIMIT = (1 << 31) - (1 << 20)  # a protobuf message must stay below 2 GiB
_SMALL = 1024  # bytes; smaller tensors (axes, shapes) stay in the model, where engines want them


def fits(narrowed: Narrowed) -> bool:
    """Whether :func:`materialise` can hold a model.

    Args:
        narrowed: What the narrow pass gave.
    """
    return _bytes(narrowed.proto) <= _LIMIT


def materialise(narrowed: Narrowed) -> onnx.ModelProto:
    """The model with all contents inside.

    Args:
        narrowed: What the narrow pass gave.

    Raises:
        GraphpruneError: It would exceed what one protobuf message can hold.
    """
    if not fits(narrowed):
        raise GraphpruneError(
            "the model does not fit into memory as one proto",
            why="protobuf messages end at 2 GiB",
            fix="give an output path; its tensors are then written beside it",
        )
    proto = onnx.ModelProto()
    proto.CopyFrom(narrowed.proto)
    _inline(proto, narrowed)
    for tensor in proto.graph.initializer:
        if _missing(tensor, narrowed):
            _fill(tensor, bytes(_content(tensor, narrowed).make()))
    return proto


def write(narrowed: Narrowed, path: Path) -> None:
    """Write the model; tensors that were external, or do not fit, go to ``<path>.data``.

    Args:
        narrowed: What the narrow pass gave.
        path: The file to write; it is replaced in one step.

    Raises:
        GraphpruneError: The folder cannot be written.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(narrowed.proto)
    _inline(proto, narrowed)
    apart = [t for t in proto.graph.initializer if external.is_external(t)]
    if not apart and _bytes(proto) > _LIMIT:
        apart = [t for t in proto.graph.initializer if _numbers(t) and external.nbytes(t) > _SMALL]
    inside = {t.name for t in proto.graph.initializer} - {t.name for t in apart}
    contents = {
        t.name: _content(t, narrowed)
        for t in proto.graph.initializer
        if t.name in inside and _missing(t, narrowed)
    }
    if not apart:
        with replacing(path) as file:
            wire.join(file, proto.SerializeToString(), contents)
        return
    data = path.with_name(path.name + ".data")
    with replacing(path) as file, replacing(data) as stream:
        for tensor in apart:
            _append(tensor, narrowed, stream, data.name)
        wire.join(file, proto.SerializeToString(), contents)
        # The data gets its name first, so nothing may go wrong with the model after that.
        file.flush()
        os.fsync(file.fileno())


def _append(tensor: onnx.TensorProto, narrowed: Narrowed, stream: IO[bytes], location: str) -> None:
    """One tensor to the data file; only this one is in memory."""
    content = _content(tensor, narrowed)
    stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
    offset = stream.tell()
    stream.write(content.make())
    _fill(tensor, None)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", content.length)):
        tensor.external_data.add(key=key, value=str(value))


def _missing(tensor: onnx.TensorProto, narrowed: Narrowed) -> bool:
    """Whether the contents of an initializer are not in the proto."""
    return tensor.name in narrowed.tensors or narrowed.model.in_file(tensor)


def _content(tensor: onnx.TensorProto, narrowed: Narrowed) -> wire.Content:
    """The bytes of an initializer: cut, copied from a file, or converted."""
    source = narrowed.tensors.get(tensor.name)

    def make() -> memoryview:
        raw = narrowed.model.raw(tensor) if source is None else None
        if raw is not None:
            return raw
        array = narrowed.model.read(tensor) if source is None else source()
        if tensor.data_type in external.PACKED:
            return memoryview(numpy_helper.from_array(array).raw_data)
        flat = np.ascontiguousarray(array).reshape(-1)
        return flat.view(np.uint8).data

    return wire.Content(external.nbytes(tensor), make)


def _fill(tensor: onnx.TensorProto, raw: bytes | None) -> None:
    """Give a tensor contents, or none."""
    for name in ("data_location", "external_data", "raw_data", *TYPED):
        tensor.ClearField(name)
    if raw is not None:
        tensor.raw_data = raw


def _inline(proto: onnx.ModelProto, narrowed: Narrowed) -> None:
    """Constants and sub-graphs keep no tensors in files that would be missed beside the output."""
    for tensor in nested(proto):
        if external.is_external(tensor):
            tensor.CopyFrom(narrowed.model.whole(tensor))


def _numbers(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor can lie in a file: texts cannot."""
    return bool(tensor.data_type != onnx.TensorProto.STRING)


def _bytes(proto: onnx.ModelProto) -> int:
    missing = [t for t in proto.graph.initializer if _numbers(t) and not in_proto(t)]
    return int(proto.ByteSize()) + sum(external.nbytes(t) for t in missing)


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
