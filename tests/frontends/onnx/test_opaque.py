"""What has no rule freezes what it touches: operands, captured names, results."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from graphprune.frontends.onnx import load, lower
from graphprune.ir import Node
from tests.onnxtext import model


def opaque(text: str) -> Node:
    graph = lower(load(model(text))).graph
    (node,) = [n for n in graph.nodes if n.op == "opaque"]
    return node


def test_operands_and_results() -> None:
    node = opaque(
        """
        net (float[2,4] x, float[3] u) => (float[5] y, float z) <float[7] w> {
          y, z = com.example.Magic(x, w, , u)
        }
        """
    )
    assert node.inputs == ("x", "w", "u") and node.outputs == ("y", "z")
    assert node.attrs == {
        "reason": "there is no rule for this operator",
        "type": "com.example::Magic",
    }


def test_names_that_sub_graphs_capture() -> None:
    """At any depth; not what they define themselves, nor folded numbers."""
    node = opaque(
        """
        net (float[4] x, bool c) => (float[4] y) <float[4] w, float[4] v> {
          s = Shape(x)
          r = Relu(x)
          y = If (c) <
            then_branch = t () => (float[4] a) {
              k = Mul(r, w)
              a = If (c) <then_branch = p () => (float[4] b) { b = Add(k, v) },
                          else_branch = q () => (float[4] d) { d = Expand(k, s) }>
            },
            else_branch = e () => (float[4] f) { f = Identity(x) }>
        }
        """
    )
    assert node.inputs == ("c", "r", "v", "w", "x")
    assert node.attrs["reason"] == "its sub-graphs are not looked into"


def shapes(text: str) -> dict[str, tuple[object, str]]:
    values = lower(load(model(text))).graph.values
    return {name: (value.shape, value.dtype) for name, value in values.items()}


def test_shapes_are_those_that_onnx_infers() -> None:
    found = shapes(
        """
        net (float[2,6] x) => (float y, int64 i, float n) <int64[1] k = {3}> {
          y, i = TopK<axis = 1>(x, k)
          e = EyeLike(x)
          n = com.example.Magic(e)
        }
        """
    )
    assert found["y"] == ((2, 3), "float32") and found["i"] == ((2, 3), "int64")
    assert found["e"] == ((2, 6), "float32") and found["n"] == (None, "float32")


def test_declared_shapes_count_where_nothing_can_be_inferred() -> None:
    proto = model("net (float[2,6] x) => (float y) { n = com.example.Magic(x) y = Relu(n) }")
    proto.graph.value_info.append(helper.make_tensor_value_info("n", 10, [2, 9]))
    value = lower(load(proto)).graph.values["n"]
    assert (value.shape, value.dtype) == ((2, 9), "float16")


def test_a_sparse_initializer_that_nobody_reads_is_no_value() -> None:
    proto = model("net (float[4] x) => (float[4] y) { y = Relu(x) }")
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.array([1], np.int64), "i")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert "s" not in lower(load(proto)).graph.values
    proto.graph.node[0].op_type = "Add"
    proto.graph.node[0].input.append("s")
    graph = lower(load(proto)).graph
    assert graph.values["s"].shape == (4,) and graph.nodes[0].outputs == ("s",)
    assert graph.nodes[0].attrs["reason"] == "sparse tensors stay whole"
