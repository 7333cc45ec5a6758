"""From ONNX to the canonical graph: text in, text out."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load, lower
from graphprune.ir.check import check
from graphprune.ir.text import parse, print_graph
from tests.onnxtext import model


def text_of(proto_text: str, opset: int = 17) -> str:
    graph = lower(load(model(proto_text, opset=opset))).graph
    check(graph)
    text = print_graph(graph)
    assert print_graph(parse(text)) == text
    return text


def test_a_small_network() -> None:
    text = text_of(
        """
        net (float[N,3,8,8] x) => (float[N,5] y)
        <float[12,3,3,3] w, float[12] scale, float[12] b, float[12] mean, float[12] var,
         float[5,12] f, float[5] c> {
          a = Conv<pads = [1,1,1,1], strides = [2,2]>(x, w)
          n = BatchNormalization(a, scale, b, mean, var)
          p = GlobalAveragePool(n)
          q = Flatten(p)
          y = Gemm<transB = 1>(q, f, c)
        }
        """
    )
    assert text == (
        "input x: [1,3,8,8]\n"
        "param w: [12,3,3,3]\n"
        "param scale: [12]\n"
        "param b: [12]\n"
        "param mean: [12]\n"
        "param var: [12]\n"
        "param f: [5,12]\n"
        "param c: [5]\n"
        "a: [1,12,4,4] = conv(x, w) "
        "{dilations=[1,1], groups=1, pads=[1,1,1,1], strides=[2,2]}\n"
        "n: [1,12,4,4] = batch_norm(a, scale, b, mean, var)\n"
        "p: [1,12,1,1] = pool(n) {everything=true}\n"
        "q: [1,12] = reshape(p) {shape=[1,12]}\n"
        '"y~1": [1,5] = contract(q, f) {equation="yk,zk->yz"}\n'
        'y: [1,5] = pointwise.add("y~1", c)\n'
        "return y\n"
    )


def test_shape_arithmetic_leaves_no_trace() -> None:
    text = text_of(
        """
        net (float[N,3,8,8] x) => (float[N,3,64] y) <int64 zero = {0}, int64[1] ax = {0},
         int64[2] rest = {3,-1}> {
          s = Shape(x)
          n = Gather(s, zero)
          u = Unsqueeze(n, ax)
          t = Concat<axis = 0>(u, rest)
          y = Reshape(x, t)
        }
        """
    )
    assert text == ("input x: [1,3,8,8]\ny: [1,3,64] = reshape(x) {shape=[1,3,64]}\nreturn y\n")


SHARED = """
net (float[2,12] x) => (float[2,12] y) <float[12] v, float[12,12] m> {
  a = Mul(x, v)
  b = MatMul(a, m)
  c = Add(b, v)
  y = MatMul(c, m)
}
"""


def test_a_shared_vector_is_one_value_a_use_and_a_shared_matrix_one_value() -> None:
    lowered = lower(load(model(SHARED)))
    assert [(p.name, p.source) for p in lowered.graph.params] == [
        ("v", "v"),
        ("m", "m"),
        ("v@2", "v"),
    ]
    assert np.array_equal(lowered.contents("v@2"), lowered.contents("v"))
    assert [n.inputs for n in lowered.graph.nodes] == [
        ("x", "v"),
        ("a", "m"),
        ("b", "v@2"),
        ("c", "m"),
    ]


def test_what_is_known_and_where_nodes_come_from() -> None:
    lowered = lower(
        load(
            model(
                """
                net (float[2,12,4,4] x) => (float[2,24,4,4] y) <int64[4] k = {1,2,1,1}> {
                  s = Shape(x)
                  e = ConstantOfShape<value = float[1] {1.5}>(s)
                  a = Add(x, e)
                  y = Tile(a, k)
                }
                """
            )
        )
    )
    assert lowered.known["s"].tolist() == [2, 12, 4, 4]
    assert lowered.graph.values["e"].kind == "param"
    assert lowered.contents("e").shape == (2, 12, 4, 4) and np.all(lowered.contents("e") == 1.5)
    assert [(n.op, n.origin) for n in lowered.graph.nodes] == [
        ("pointwise.add", (2,)),
        ("tile", (3,)),
    ]
    assert lowered.inputs == {"x": (2, 12, 4, 4)} and not lowered.symbolic


def test_a_form_that_no_rule_covers_is_opaque_and_leaves_nothing_behind() -> None:
    text = text_of(
        """
        net (float[2,4,8,8] x) => (float[2,4,4,4] y, int64[2,4,4,4] i) {
          r = Relu(x)
          y, i = MaxPool<kernel_shape = [2,2], strides = [2,2]>(r)
        }
        """
    )
    assert text.splitlines()[2] == (
        "y: [2,4,4,4], i: int64[2,4,4,4] = opaque(r) "
        '{reason="the indices of the maxima are read", type="MaxPool"}'
    )


def test_inputs_that_are_no_tensors_of_numbers() -> None:
    """A sequence and texts: what reads them is opaque."""
    text = text_of(
        """
        net (float[N,8] x, string[2] s, seq(float[3]) q, int64 i) => (float[N,5] y, string[2] z,
         float[3] k) <float[8,12] w, float[12,5] f> {
          z = Identity(s)
          k = SequenceAt(q, i)
          a = MatMul(x, w)
          y = MatMul(a, f)
        }
        """
    )
    assert "input s: string[2]\ninput q: undefined?\ninput i: int64[]\n" in text
    assert 'k: ? = opaque(q, i) {reason="there is no rule for this operator"' in text


def test_results_without_a_known_shape_are_opaque_from_there_on() -> None:
    text = text_of(
        """
        net (float[2,8] x) => (float y) <float[8,8] w> {
          n = NonZero(x)
          c = Cast<to = 1>(n)
          t = Transpose(c)
          y = ReduceSum<keepdims = 0>(t)
        }
        """
    )
    assert text.count("opaque(") >= 3 and "n: int64? = opaque(x)" in text


def test_a_name_that_is_made_twice() -> None:
    proto = model("net (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.node.append(helper.make_node("Constant", [], ["y"], value_floats=[1.0, 2.0]))
    with pytest.raises(InvalidModel, match="'y' is computed twice"):
        lower(load(proto))
    proto = model("net (float[2] x) => (float[2] y) { y = Relu(x) }")
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "x"),
        numpy_helper.from_array(np.array([1], np.int64), "i"),
        [4],
    )
    proto.graph.sparse_initializer.append(sparse)
    with pytest.raises(InvalidModel, match="'x' is computed twice"):
        lower(load(proto))


def test_outputs_that_are_tensors_or_folded() -> None:
    lowered = lower(
        load(
            model(
                """
                net (float[2,3] x) => (float[4] w, int64[2] s, float[2,3] y) <float[4] w> {
                  s = Shape(x)
                  y = Relu(x)
                }
                """
            )
        )
    )
    assert lowered.graph.outputs == ("w", "s", "y")
    check(lowered.graph)
