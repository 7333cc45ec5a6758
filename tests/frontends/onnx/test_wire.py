"""Taking a file apart without its weights, and putting it together again."""

from __future__ import annotations

import io
import random

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.wire import Content, Span, join, split
from tests.onnxtext import model

LARGE = 1024  # elements of float32 from which a tensor is left in the file


def net(*sizes: int) -> onnx.ModelProto:
    proto = model("net (float[2] x) => (float[2] y) { y = Relu(x) }")
    for i, size in enumerate(sizes):
        array = np.random.default_rng(i).standard_normal(size).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array, f"t{i}"))
    return proto


def test_large_contents_are_left_out() -> None:
    proto = net(LARGE, 3, 5 * LARGE, 0)
    data = proto.SerializeToString()
    skeleton, spans = split(memoryview(data))
    assert sorted(spans) == ["t0", "t2"] and len(skeleton) < 1000
    found = onnx.ModelProto.FromString(skeleton)
    for here, there in zip(found.graph.initializer, proto.graph.initializer, strict=True):
        span = spans.get(here.name)
        if span is not None:
            assert not here.HasField("raw_data")
            here.raw_data = data[span.offset : span.offset + span.length]
        assert here == there
    assert found == proto


def test_joining_is_the_inverse() -> None:
    proto = net(LARGE, 3, 5 * LARGE)
    data = proto.SerializeToString()
    skeleton, spans = split(memoryview(data))

    def content(span: Span) -> Content:
        part = memoryview(data)[span.offset : span.offset + span.length]
        return Content(span.length, lambda: part)

    file = io.BytesIO()
    join(file, skeleton, {name: content(span) for name, span in spans.items()})
    assert len(file.getvalue()) == len(data)
    assert onnx.ModelProto.FromString(file.getvalue()) == proto


def test_contents_of_another_length_are_a_mistake() -> None:
    skeleton, _ = split(memoryview(net(LARGE).SerializeToString()))
    with pytest.raises(ValueError, match="3 bytes where 4 were announced"):
        join(io.BytesIO(), skeleton, {"t0": Content(4, lambda: memoryview(b"abc"))})


def test_fields_in_any_order_and_in_several_parts() -> None:
    """Protobuf allows a graph in pieces, and names after contents."""
    proto = net(LARGE)
    tensor = proto.graph.initializer[0]
    raw = b"\x4a" + bytes([0x80, 0x20]) + tensor.raw_data  # field 9, of 4096 bytes
    tensor_bytes = raw + b"\x42\x02t0" + b"\x10\x01" + b"\x08\x80\x08"
    graph = b"\x2a" + varint(len(tensor_bytes)) + tensor_bytes
    del proto.graph.initializer[:]
    data = proto.SerializeToString() + b"\x3a" + varint(len(graph)) + graph
    skeleton, spans = split(memoryview(data))
    assert list(spans) == ["t0"]
    found = onnx.ModelProto.FromString(skeleton)
    assert found.graph.node == proto.graph.node and found.graph.initializer[0].name == "t0"
    span = spans["t0"]
    assert data[span.offset : span.offset + span.length] == tensor.raw_data


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_unknown_fields_survive() -> None:
    """Field 999 of the model, of every wire type."""
    extra = varint(999 << 3) + b"\x05" + varint(999 << 3 | 2) + b"\x03abc"
    extra += varint(999 << 3 | 1) + bytes(8) + varint(999 << 3 | 5) + bytes(4)
    data = net(LARGE).SerializeToString() + extra
    skeleton, _ = split(memoryview(data))
    assert skeleton.endswith(extra)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x3b", "wire type 3 at byte 0"),
        (b"\x3a\x05ab", "a field at byte 0 reaches past the end"),
        (b"\x3a", "a number that does not end before byte 1"),
        (b"\x08" + b"\xff" * 11, "a number that does not end before byte 11"),
        (b"\x00\x01", "a field at byte 0 reaches past the end"),
        (b"\x09abc", "a field at byte 0 reaches past the end"),
    ],
)
def test_what_is_no_protobuf(data: bytes, why: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        split(memoryview(data))
    assert why in str(caught.value.why)


def test_random_bytes_never_raise_anything_else() -> None:
    rng, whole = random.Random(3), net(LARGE).SerializeToString()
    refused = 0
    for _ in range(400):
        data = bytearray(whole[: rng.randrange(80)] + rng.randbytes(rng.randrange(40)))
        try:
            split(memoryview(data))
        except InvalidModel:
            refused += 1
    assert refused > 100
