"""Reading and writing an ONNX file without its weights.

Parsing a file with protobuf copies every weight. This walks the wire format instead (protobuf
encoding: a varint key, then a length-delimited payload), cuts the large ``raw_data`` of
initializers out, and remembers where in the file they lie. What is left is a small ModelProto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from graphprune.errors import InvalidModel

_GRAPH = 7  # ModelProto.graph
_INITIALIZER = 5  # GraphProto.initializer
_NAME, _RAW_DATA = 8, 9  # TensorProto
_LARGE = 4096  # bytes; smaller tensors stay in the skeleton

Buffer = memoryview


@dataclass(frozen=True)
class Span:
    """Where the raw bytes of a tensor lie in a file."""

    offset: int
    length: int


@dataclass(frozen=True)
class _Field:
    number: int
    start: int  # of the key
    payload: int  # of the payload (of the value, for numbers)
    end: int
    delimited: bool


def split(data: Buffer) -> tuple[bytes, dict[str, Span]]:
    """The file without its large initializers, and where these are.

    Args:
        data: The whole file, usually a memory map.

    Returns:
        Bytes of a ModelProto whose large initializers lack ``raw_data``, and a span for each.

    Raises:
        InvalidModel: The bytes are not protobuf, or end in the middle of a field.
    """
    spans: dict[str, Span] = {}
    parts: list[bytes] = []
    for field in _fields(data, 0, len(data)):
        if field.number == _GRAPH and field.delimited:
            body = b"".join(_graph(data, field, spans))
            parts += [_key(_GRAPH), _varint(len(body)), body]
        else:
            parts.append(bytes(data[field.start : field.end]))
    return b"".join(parts), spans


def _graph(data: Buffer, graph: _Field, spans: dict[str, Span]) -> Iterator[bytes]:
    """The bytes of a graph, large initializers emptied."""
    pending = graph.payload
    for field in _fields(data, graph.payload, graph.end):
        if field.number != _INITIALIZER or field.end - field.payload < _LARGE:
            continue
        yield bytes(data[pending : field.start])
        pending = field.end
        body = _tensor(data, field, spans)
        yield _key(_INITIALIZER) + _varint(len(body)) + body
    yield bytes(data[pending : graph.end])


def _tensor(data: Buffer, tensor: _Field, spans: dict[str, Span]) -> bytes:
    name, span = _name(data, tensor), None
    rest: list[bytes] = []
    for field in _fields(data, tensor.payload, tensor.end):
        if field.number == _RAW_DATA and field.delimited:
            span = Span(field.payload, field.end - field.payload)
        else:
            rest.append(bytes(data[field.start : field.end]))
    if span is None or not name or name in spans:
        return bytes(data[tensor.payload : tensor.end])
    spans[name] = span
    return b"".join(rest)


@dataclass(frozen=True)
class Content:
    """The ``raw_data`` of a tensor, made when it is written.

    Attributes:
        length: Bytes.
        make: Gives them.
    """

    length: int
    make: Callable[[], memoryview]


def join(file: IO[bytes], skeleton: bytes, contents: Mapping[str, Content]) -> None:
    """Write a ModelProto; one tensor at a time is in memory. The inverse of :func:`split`.

    Args:
        file: Where to write.
        skeleton: A serialised ModelProto.
        contents: ``raw_data`` to add to initializers of the main graph, by name.
    """
    data = memoryview(skeleton)
    for field in _fields(data, 0, len(data)):
        if field.number != _GRAPH or not field.delimited:
            file.write(data[field.start : field.end])
            continue
        parts = list(_filled(data, field, contents))
        length = sum(len(p) if isinstance(p, bytes) else p.length for p in parts)
        file.write(_key(_GRAPH) + _varint(length))
        for part in parts:
            written = file.write(part if isinstance(part, bytes) else part.make())
            if not isinstance(part, bytes) and written != part.length:
                raise ValueError(f"{written} bytes where {part.length} were announced")


def _filled(
    data: Buffer, graph: _Field, contents: Mapping[str, Content]
) -> Iterator[bytes | Content]:
    """The bytes of a graph, some initializers with contents after their other fields."""
    for field in _fields(data, graph.payload, graph.end):
        content = None
        if field.number == _INITIALIZER and field.delimited:
            content = contents.get(_name(data, field))
        if content is None:
            yield bytes(data[field.start : field.end])
            continue
        rest = bytes(data[field.payload : field.end]) + _key(_RAW_DATA) + _varint(content.length)
        yield _key(_INITIALIZER) + _varint(len(rest) + content.length) + rest
        yield content


def _name(data: Buffer, tensor: _Field) -> str:
    names = [
        bytes(data[f.payload : f.end]).decode("utf-8", "replace")
        for f in _fields(data, tensor.payload, tensor.end)
        if f.number == _NAME and f.delimited
    ]
    return names[-1] if names else ""


def _fields(data: Buffer, start: int, end: int) -> Iterator[_Field]:
    """The fields between two offsets, in order."""
    at = start
    while at < end:
        key, value = _read_varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, after = _read_varint(data, value, end)
        elif wire == 2:
            length, value = _read_varint(data, value, end)
            after = value + length
        elif wire in (1, 5):
            after = value + (8 if wire == 1 else 4)
        else:
            raise _broken(f"wire type {wire} at byte {at}")
        if number == 0 or after > end:
            raise _broken(f"a field at byte {at} reaches past the end of what holds it")
        yield _Field(number, at, value, after, wire == 2)
        at = after


def _read_varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    result = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
    raise _broken(f"a number that does not end before byte {at}")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(number: int) -> bytes:
    return _varint(number << 3 | 2)


def _broken(why: str) -> InvalidModel:
    return InvalidModel(
        "this is not an ONNX file, or it is damaged",
        why=why,
        fix="export or download the file again",
    )
