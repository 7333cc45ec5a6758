"""Whatever a file holds, the answer is a model or an error that says what is wrong with it."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

import graphprune
from graphprune.errors import GraphpruneError, InvalidModel
from graphprune.frontends.onnx import load
from tests.onnxtext import model

NET = """
net (float[N,3,8,8] x) => (float[N,5] y)
<float[16,3,3,3] w, float[16] b, float[16] var, float[5,16] f, int64[1] last = {1}> {
  a = Conv<pads=[1,1,1,1]>(x, w, b)
  n = BatchNormalization(a, var, b, b, var)
  r = local.act(n)
  p = GlobalAveragePool(r)
  s = Shape(p)
  i = Constant<value_ints=[0]>()
  g = Slice(s, i, last)
  d = Cast<to=1>(g)
  e = ReduceSum(d)
  q = Flatten(p)
  z = Gemm<transB=1>(q, f)
  y = Div(z, e)
}
<domain: "local", opset_import: ["" : 17]>
act (x) => (r) { t = Relu(x)
  r = Sigmoid(t) }
"""


def both(path: Path) -> list[GraphpruneError]:
    """What inspecting and pruning a file says; nothing may be written when it fails."""
    folder = path.parent / "out"
    folder.mkdir(exist_ok=True)
    errors = []
    try:
        graphprune.inspect(path)
    except GraphpruneError as error:
        errors.append(error)
    try:
        graphprune.prune(path, channels=0.5, criterion="l1", run=False).save(folder / "y.onnx")
    except GraphpruneError as error:
        errors.append(error)
        assert list(folder.iterdir()) == []
    for file in folder.iterdir():
        file.unlink()
    return errors


def refused(path: Path, data: bytes) -> str:
    """The message for a file that cannot be used, the same from every entrance."""
    path.write_bytes(data)
    errors = both(path)
    assert [type(error) for error in errors] == [InvalidModel] * 2
    assert str(errors[0]) == str(errors[1])
    return str(errors[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


def test_the_model_itself_is_usable(path: Path) -> None:
    path.write_bytes(model(NET).SerializeToString())
    assert both(path) == []


@pytest.mark.parametrize("part", range(16))
def test_a_truncated_file_is_refused(part: int, path: Path) -> None:
    whole = model(NET).SerializeToString()
    text = refused(path, whole[: len(whole) * part // 16])
    assert text.startswith("InvalidModel: this") and str(path) in text


def test_text_pictures_and_archives_are_refused(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("model.onnx", model(NET).SerializeToString())
    contents = {
        "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "text": b"This is no model, but a sentence.\n" * 9,
        "json": b'{"format": "graphprune.plan/1"}',
        "zip": (tmp_path / "a.zip").read_bytes(),
        "zeros": bytes(4096),
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "random": random.Random(0).randbytes(8192),
    }
    for kind, data in contents.items():
        text = refused(path, data)
        assert text.startswith("InvalidModel: this is not an ONNX file, or it is damaged"), kind
        assert f"where: {path}" in text and "why:" in text


def test_an_empty_file_and_a_missing_one(path: Path, tmp_path: Path) -> None:
    assert "this file holds no ONNX graph" in refused(path, b"")
    for wrong, why in ((tmp_path / "none.onnx", "No such file"), (tmp_path, "no regular file")):
        with pytest.raises(InvalidModel, match="the model cannot be opened") as caught:
            load(wrong)
        assert why in str(caught.value.why) and str(wrong) in str(caught.value.where)


def test_any_damage_ends_in_a_model_or_in_an_error_of_ours(path: Path) -> None:
    rng, seen = random.Random(5), {"refused": 0, "accepted": 0}
    whole = model(NET).SerializeToString()
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(len(data))
            if rng.random() < 0.8:
                data[place] ^= 1 << rng.randrange(8)
            else:
                del data[place : place + rng.randrange(1, 4)]
        path.write_bytes(data)
        seen["refused" if both(path) else "accepted"] += 1
    assert min(seen.values()) > 20  # both sides of the border were tried


def test_random_bytes_after_a_valid_beginning(path: Path) -> None:
    rng, whole = random.Random(1), model(NET).SerializeToString()
    for _ in range(40):
        path.write_bytes(whole[: rng.randrange(200)] + rng.randbytes(300))
        assert all(isinstance(error, InvalidModel) for error in both(path))


def broken(**edit: Callable[[onnx.ModelProto], object]) -> pytest.MarkDecorator:
    """One parameter a way to break the model, by name and the words that must be said."""
    return pytest.mark.parametrize("edit", [pytest.param(f, id=k) for k, f in edit.items()])


def node(proto: onnx.ModelProto, output: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(n for n in proto.graph.node if output in n.output)
    return found


def edited(edit: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    proto = model(NET)
    edit(proto)
    return proto


def swap(proto: onnx.ModelProto) -> None:
    first, second = onnx.NodeProto(), onnx.NodeProto()
    first.CopyFrom(proto.graph.node[0])
    second.CopyFrom(proto.graph.node[1])
    proto.graph.node[0].CopyFrom(second)
    proto.graph.node[1].CopyFrom(first)


def resize(proto: onnx.ModelProto, name: str, *dims: int) -> None:
    tensor = next(t for t in proto.graph.initializer if t.name == name)
    del tensor.dims[:]
    tensor.dims.extend(dims)


def tensor(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(t for t in proto.graph.initializer if t.name == name)
    return found


def recursive(proto: onnx.ModelProto) -> None:
    proto.functions[0].node.append(helper.make_node("act", ["t"], ["u"], domain="local"))
    proto.functions[0].opset_import.append(helper.make_opsetid("local", 1))


EDITS: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "unsorted": (swap, "operand 'a' is read before it is computed"),
    "cyclic": (lambda p: node(p, "a").input.__setitem__(0, "r"), "operand 'r' is read before"),
    "own result": (lambda p: node(p, "a").input.__setitem__(0, "a"), "operand 'a' is read before"),
    "lost operand": (lambda p: node(p, "q").input.__setitem__(0, "?"), "operand '?' is read"),
    "lost output": (lambda p: node(p, "y").output.__setitem__(0, "z2"), "operand 'y' is read"),
    "result twice": (lambda p: node(p, "q").output.__setitem__(0, "p"), "'p' is computed twice"),
    "folded twice": (lambda p: node(p, "q").output.__setitem__(0, "g"), "'g' is computed twice"),
    "input again": (lambda p: node(p, "q").output.__setitem__(0, "x"), "'x' is computed twice"),
    "tensor again": (lambda p: node(p, "q").output.__setitem__(0, "w"), "'w' is computed twice"),
    "tensor twice": (
        lambda p: p.graph.initializer.append(p.graph.initializer[0]),
        "initializer 'last' is defined twice",
    ),
    "input twice": (lambda p: p.graph.input.append(p.graph.input[0]), "input 'x' is declared"),
    "output twice": (lambda p: p.graph.output.append(p.graph.output[0]), "'y' is no name for"),
    "nameless": (lambda p: setattr(p.graph.output[0], "name", ""), "'' is no name for an input"),
    "no graph": (lambda p: p.ClearField("graph"), "this file holds no ONNX graph"),
    "no nodes": (lambda p: p.graph.ClearField("node"), "this file holds no ONNX graph"),
    "no opset": (
        lambda p: (p.ClearField("opset_import"), p.ClearField("functions")),
        "does not say which operator set",
    ),
    "recursion": (recursive, "function 'act' calls itself"),
    "wrong type": (
        lambda p: node(p, "e").input.__setitem__(0, "s") or node(p, "y").input.__setitem__(1, "e"),
        "an operator gets an operand of a type it does not take",
    ),
    "no type": (
        lambda p: p.graph.input[0].type.tensor_type.ClearField("elem_type"),
        "input 'x' has no element type",
    ),
    "unknown type": (lambda p: setattr(tensor(p, "w"), "data_type", 99), "'w' has an unknown"),
    "negative extent": (lambda p: resize(p, "b", -16), "tensor 'b' has a negative extent"),
    "other shape": (lambda p: resize(p, "w", 16, 4, 3, 3), "conv of 3 channels with a weight of 4"),
    "too long": (lambda p: resize(p, "last", 2), "tensor 'last' cannot be read"),
    "lost attribute": (
        lambda p: node(p, "d").ClearField("attribute"),
        "an operation is not what its operator's definition says",
    ),
    "attribute type": (
        lambda p: node(p, "a").attribute[0].CopyFrom(helper.make_attribute("pads", "x")),
        "an operation is not what its operator's definition says",
    ),
    "axis": (
        lambda p: node(p, "q").attribute.append(helper.make_attribute("axis", 9)),
        "an operation is not what its operator's definition says",
    ),
    "no operands": (lambda p: node(p, "q").ClearField("input"), "operand '' is read before"),
    "no results": (lambda p: node(p, "p").ClearField("output"), "an operation is not what"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(EDITS))
def test_a_broken_graph_is_refused(case: str, path: Path) -> None:
    edit, text = EDITS[case]
    proto = model(NET)
    edit(proto)
    assert text in refused(path, proto.SerializeToString())
    with pytest.raises(InvalidModel) as caught:
        graphprune.inspect(proto)
    assert text in str(caught.value)


def test_damaged_names_are_refused(path: Path) -> None:
    whole = model(NET).SerializeToString()
    for name in (b"Conv", b"GlobalAveragePool", b"\x05local", b"\x01q"):
        data = whole.replace(name, name[:-1] + b"\xff")
        assert data != whole
        text = refused(path, data)
        assert "a name in the model is damaged" in text or "not an ONNX file" in text


def test_contents_that_are_too_short_are_refused_when_they_are_read(path: Path) -> None:
    proto = model(NET)
    short = tensor(proto, "w")
    short.raw_data = short.raw_data[:-4]
    path.write_bytes(proto.SerializeToString())
    for source in (path, proto):
        with pytest.raises(InvalidModel, match="tensor 'w' cannot be read"):
            graphprune.prune(source, channels=0.5, criterion="l1", run=False)


def test_a_large_tensor_stays_in_the_file(path: Path) -> None:
    text = "net (float[1,64] x) => (float[1,64] y) <float[64,64] w> { y = MatMul(x, w) }"
    proto = model(text)
    path.write_bytes(proto.SerializeToString())
    opened = load(path)
    left = opened.proto.graph.initializer[0]
    assert not left.HasField("raw_data") and list(left.dims) == [64, 64]
    assert opened.array("w").tobytes() == proto.graph.initializer[0].raw_data
    assert opened.whole(left) == proto.graph.initializer[0]


def test_an_unknown_rank_is_refused_with_the_option_that_mends_it() -> None:
    proto = model("net (float[1,8] x) => (float[1,8] y) <float[8,8] w> { y = MatMul(x, w) }")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(GraphpruneError, match="does not say how many axes input 'x' has") as caught:
        graphprune.inspect(proto)
    assert "--shape x=" in str(caught.value.fix)
    assert graphprune.inspect(proto, shapes={"x": (2, 8)}).lowered.inputs == {"x": (2, 8)}


def test_the_given_proto_is_not_changed() -> None:
    proto = model(NET)
    before = proto.SerializeToString()
    graphprune.prune(proto, channels=0.5, criterion="l1", run=False)
    assert proto.SerializeToString() == before


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidModel, match=r"an object of type 'int' is no model"):
        load(3)  # type: ignore[arg-type]
