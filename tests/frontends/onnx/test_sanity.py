"""What a proto must be before anything is read from it; every check is also tried from a file."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load
from graphprune.frontends.onnx.native import flatten
from tests.onnxtext import model

NET = """
net (float[2] x, bool c) => (float[2] y) <float[2] w> {
  k = Constant<value = float[2] {1, 2}>()
  z = local.f(x)
  y = If (c) <then_branch = t () => (float[2] a) <float[2] v = {1, 2}> { a = Mul(z, v) },
              else_branch = e () => (float[2] b) { b = Add(k, w) }>
}
<domain: "local", opset_import: ["" : 17]>
f (x) => (r) { k = Constant<value = float[2] {1, 2}>() r = Add(x, k) }
"""


def tensors(proto: onnx.ModelProto) -> dict[str, TensorProto]:
    """One tensor of every place in which there are any."""
    branch = proto.graph.node[2].attribute[0].g
    return {
        "initializer": proto.graph.initializer[0],
        "constant": proto.graph.node[0].attribute[0].t,
        "sub-graph": branch.initializer[0],
        "function": proto.functions[0].node[0].attribute[0].t,
    }


def refused(edit: Callable[[onnx.ModelProto], object]) -> str:
    proto = model(NET)
    load(proto)
    edit(proto)
    with pytest.raises(InvalidModel) as caught:
        load(proto)
    return str(caught.value)


@pytest.mark.parametrize("place", ["initializer", "constant", "sub-graph", "function"])
def test_tensors_are_checked_wherever_they_are(place: str) -> None:
    def negative(proto: onnx.ModelProto) -> None:
        tensors(proto)[place].dims[0] = -2

    def untyped(proto: onnx.ModelProto) -> None:
        tensors(proto)[place].data_type = 0

    def outside(proto: onnx.ModelProto) -> None:
        tensors(proto)[place].data_location = TensorProto.EXTERNAL

    assert "has a negative extent" in refused(negative)
    assert "has an unknown element type" in refused(untyped)
    assert "external data of tensor" in refused(outside)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda p: p.ClearField("graph"), "this file holds no ONNX graph"),
        (lambda p: p.graph.ClearField("node"), "this file holds no ONNX graph"),
        (
            lambda p: (p.ClearField("opset_import"), p.ClearField("functions")),
            "does not say which operator set it uses",
        ),
        (lambda p: p.graph.output.append(p.graph.output[0]), "'y' is no name for an input or"),
        (lambda p: setattr(p.graph.input[0], "name", ""), "'' is no name for an input or output"),
        (
            lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", 0),
            "input 'x' has no element type",
        ),
    ],
)
def test_what_a_graph_must_have(edit: Callable[[onnx.ModelProto], object], text: str) -> None:
    assert text in refused(edit)


NAMES = [b"local", b"x", b"Constant", b"value", b"then_branch", b"net.dim", b"f"]


@pytest.mark.parametrize("name", NAMES)
def test_names_must_be_utf_8(name: bytes) -> None:
    """Protobuf hands over as bytes what is not, and code that compares names would trip over it."""
    proto = model(NET)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "net.dim"
    data = proto.SerializeToString()
    place = data.index(bytes([len(name)]) + name) + len(name)
    damaged = onnx.ModelProto.FromString(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(InvalidModel, match="a name in the model is damaged"):
        load(damaged)


def test_doc_strings_need_not_be_anything() -> None:
    proto = model(NET)
    proto.doc_string = "doc_string"
    proto.graph.node[0].doc_string = "doc_string"
    data = proto.SerializeToString().replace(b"doc_string", b"\xff\xfe\xfd_string")
    load(onnx.ModelProto.FromString(data))


def test_a_model_of_functions_only_needs_no_opset() -> None:
    proto = model(
        """
        net (float[2] x) => (float[2] y) { y = local.f(x) }
        <domain: "local", opset_import: ["" : 17]>
        f (x) => (r) { r = Relu(x) }
        """
    )
    proto.ClearField("opset_import")
    assert [n.op_type for n in flatten(load(proto))] == ["Relu"]
