"""Types are checked by ONNX, on a copy without weights."""

from __future__ import annotations

import pytest
from onnx import helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load
from graphprune.frontends.onnx.native import flatten
from graphprune.frontends.onnx.typing_check import _skeleton, check_types, complaint
from tests.onnxtext import model


@pytest.mark.parametrize(
    "body",
    ["y = Add(x, i)", "y = MatMul(x, b)", "y = Erf(b)", "c = Size(x) y = Mul(x, c)"],
)
def test_mistyped_operators_are_refused(body: str) -> None:
    text = f"net (float[4,4] x) => (float[4,4] y) <int64[4,4] i, bool[4,4] b> {{ {body} }}"
    with pytest.raises(InvalidModel) as caught:
        check_types(load(model(text)))
    assert caught.value.what == "an operator gets an operand of a type it does not take"
    assert caught.value.where == "the given proto" and "type" in str(caught.value.why)


@pytest.mark.parametrize(
    "body", ["y = Cast<to = 7>(x)", "r = Relu(x) y = ArgMax<axis = 0>(r)", "y = Size(x)"]
)
def test_outputs_are_of_the_type_that_they_declare(body: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        check_types(load(model(f"net (float[4,4] x) => (float[4,4] y) {{ {body} }}")))
    assert str(caught.value) == (
        "InvalidModel: output 'y' is of another element type than the model says\n"
        "  where: the given proto\n"
        "  why:   it is declared float and computed as int64\n"
        "  fix:   declare the type that is computed, or cast the output"
    )


@pytest.mark.parametrize(
    "body",
    [
        "y = Add(x, x)",
        "y = Nonesuch(i)",
        "y = com.example.Op(b)",
        "y = MatMul(x, w)",  # extents that do not fit are our own rules' affair
    ],
)
def test_what_is_not_mistyped_passes(body: str) -> None:
    text = (
        f"net (float[4,4] x) => (float[4,4] y) <int64[4] i, bool[4] b, float[9,9] w> {{ {body} }}"
    )
    check_types(load(model(text)))


def test_integers_in_constants_of_old_operator_sets_pass() -> None:
    """Its definition did not allow them before opset 9, but exporters wrote them."""
    proto = model(
        """
        net (float[2,6] x) => (float[3,4] y) {
          t = Constant<value = int64[2] {3, 4}>()
          y = Reshape(x, t)
        }
        """,
        opset=7,
        ir=3,
    )
    check_types(load(proto))


def test_the_copy_holds_no_weights() -> None:
    proto = model(
        """
        net (float[2,100] x) => (float[2,100] y) <float[100,100] w, int64[2] s> {
          c = Constant<value_ints = [1]>()
          k = Constant<value = float[4] {1,2,3,4}>()
          y = MatMul(x, w)
        }
        """
    )
    copy = _skeleton(proto)
    assert [i.name for i in copy.graph.input] == ["x", "w"]
    assert [t.name for t in copy.graph.initializer] == ["c", "k", "s"]
    assert [n.op_type for n in copy.graph.node] == ["MatMul"]
    assert copy.ByteSize() < 500


def test_the_checker_s_words_for_a_node() -> None:
    proto = model("net (float[2] x) => (float[2] y) { y = Cast<to = 1>(x) }")
    assert complaint(flatten(load(proto))[0]) == ""
    proto.graph.node[0].ClearField("attribute")
    assert "Required attribute 'to' is missing" in complaint(flatten(load(proto))[0])
    proto.graph.node[0].attribute.append(helper.make_attribute("to", "float"))
    assert "Mismatched attribute type" in complaint(flatten(load(proto))[0])
