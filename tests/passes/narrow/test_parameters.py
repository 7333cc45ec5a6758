"""Tensors that several operations read: cut in place where all agree, cloned where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from graphprune.errors import UnsupportedModel
from tests.onnxtext import Case, cut, dims, maker, model, operand, prove

TWO = """
net (float[2,3,8,8] x) => (float[2,5,8,8] y) <float[12,3,3,3] w, float[12,3,1,1] v, float[12] b,
 float[5,12,1,1] f, float[5,12,1,1] g> {{
  a = Conv<pads = [1,1,1,1]>(x, w, b)
  c = Conv(x, v, b)
  {body}
}}
"""
APART = """
  d = Conv(a, f)
  e = Conv(c, g)
  y = Add(d, e)
"""


def names(proto: onnx.ModelProto) -> list[str]:
    return [t.name for t in proto.graph.initializer]


def contents(proto: onnx.ModelProto, name: str) -> NDArray[Any]:
    return numpy_helper.to_array(next(t for t in proto.graph.initializer if t.name == name))


def test_a_bias_whose_readers_are_narrowed_differently_is_cloned() -> None:
    proto = model(TWO.format(body=APART))
    case = prove(proto)
    assert "b" not in names(case.proto)
    one, other = maker(case.proto, "a").input[2], maker(case.proto, "c").input[2]
    assert (one, other) == ("b.narrowed", "b.narrowed2")
    bias = contents(proto, "b")
    for name, weight in ((one, "w"), (other, "v")):
        kept = next(x.ids.ravel() for x in case.coupling.layers[weight] if x.axis == 0)
        assert contents(case.proto, name).tolist() == bias[case.alive[kept]].tolist()


def test_a_reader_that_keeps_everything_keeps_the_tensor() -> None:
    case = prove(model(TWO.format(body=APART)), only=("w",))
    assert maker(case.proto, "c").input[2] == "b"
    assert dims(case.proto, "b") == [12]
    assert maker(case.proto, "a").input[2] == "b.narrowed"
    assert dims(case.proto, "b.narrowed") == [6]


def test_readers_that_agree_share_one_tensor() -> None:
    proto = model(
        TWO.format(body="s = Add(a, c)\n d = Conv(s, f)\n e = Conv(s, g)\n y = Add(d, e)")
    )
    case = prove(proto)
    assert names(case.proto) == names(proto)
    assert dims(case.proto, "b") == [6]


def test_a_shared_matrix_ties_its_readers() -> None:
    proto = model(
        """
        net (float[2,12] x) => (float[2,5] y) <float[12,12] m, float[12,12] w, float[12,5] f> {
          a = MatMul(x, w)
          b = MatMul(a, m)
          c = Relu(b)
          d = MatMul(c, m)
          y = MatMul(d, f)
        }
        """
    )
    case = prove(proto)
    assert names(case.proto) == names(proto)
    assert dims(case.proto, "m") == [6, 6]


def test_one_operation_may_read_a_tensor_twice() -> None:
    """The pieces of the Concat are cut otherwise, though they are one tensor."""
    proto = model(
        """
        net (float[2,3] x) => (float[2,5] y) <float[3,24] w, float[12] v, float[24,5] f> {
          a = MatMul(x, w)
          c = Concat<axis = 0>(v, v)
          h = Mul(a, c)
          y = MatMul(h, f)
        }
        """
    )
    case = prove(proto)
    one, other = maker(case.proto, "c").input
    assert one != other and "v" not in names(case.proto)
    assert dims(case.proto, one)[0] + dims(case.proto, other)[0] == dims(case.proto, "w")[1]


def test_three_times_in_one_operation() -> None:
    proto = model(
        """
        net (float[2,3] x) => (float[2,5] y) <float[3,36] w, float[12] v, float[36,5] f> {
          a = MatMul(x, w)
          c = Concat<axis = 0>(v, v, v)
          h = Mul(a, c)
          y = MatMul(h, f)
        }
        """
    )
    prove(proto)


def captured(body: str = "o = Mul(u, b)") -> onnx.ModelProto:
    return model(
        f"""
        net (float[2,3] x, float[12] u, bool t) => (float[2,5] y, float[12] z)
        <float[3,12] w, float[12] b, float[12,5] f> {{
          a = MatMul(x, w)
          c = Add(a, b)
          z = If (t) <then_branch = g () => (float[12] o) {{ {body} }},
                      else_branch = h () => (float[12] p) {{ p = Neg(u) }}>
          y = MatMul(c, f)
        }}
        """
    )


def test_a_sub_graph_reads_the_whole_tensor() -> None:
    proto = captured()
    case = prove(proto)
    assert dims(case.proto, "b") == [12]
    assert dims(case.proto, maker(case.proto, "c").input[1]) == [6]
    assert maker(case.proto, "z") == maker(proto, "z")


def test_who_only_asks_for_the_shape_does_not_count() -> None:
    """Shape and CastLike look at no contents: one tensor is enough, and is narrowed in place."""
    proto = model(
        """
        net (float[2,3] x) => (float[2,5] y, int64[1] s) <float[3,12] w, float[12] b, float[12,5] f,
         int64[5] k> {
          a = MatMul(x, w)
          c = Add(a, b)
          s = Shape(b)
          l = CastLike(k, b)
          e = MatMul(c, f)
          y = Add(e, l)
        }
        """
    )
    case = prove(proto)
    assert names(case.proto) == [*names(proto), *names(case.proto)[len(names(proto)) :]]
    assert dims(case.proto, "b") == [6]
    assert case.proof().ok


def test_a_constant_is_cut_where_it_stands() -> None:
    numbers = ", ".join(str(n / 8) for n in range(12))
    proto = model(
        f"""
        net (float[2,3] x) => (float[2,5] y) <float[3,12] w, float[12,5] f> {{
          b = Constant<value = float[12] {{{numbers}}}>()
          c = Constant<value_floats = [{numbers}]>()
          a = MatMul(x, w)
          d = Add(a, b)
          e = Mul(d, c)
          y = MatMul(e, f)
        }}
        """
    )
    case = prove(proto)
    assert [n.op_type for n in case.proto.graph.node] == [n.op_type for n in proto.graph.node]
    assert operand(case.proto, "d", 1).shape == (6,)
    assert np.array_equal(operand(case.proto, "d", 1), operand(case.proto, "e", 1))


def test_a_shared_constant_is_cloned_into_initializers() -> None:
    numbers = ", ".join(f"{n}.5" for n in range(12))
    text = TWO.format(body=APART).replace(", float[12] b", "")
    text = text.replace("a = Conv", f"b = Constant<value_floats = [{numbers}]>()\n  a = Conv")
    case = prove(model(text))
    assert "Constant" not in {n.op_type for n in case.proto.graph.node}
    assert {len(operand(case.proto, name, 2)) for name in "ac"} == {6}


def old(proto: onnx.ModelProto) -> onnx.ModelProto:
    """As IR version 3 has it: every initializer is an input too."""
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        proto.graph.input.append(info)
    return proto


def test_ir_3_knows_no_initializers_but_inputs() -> None:
    proto = old(model(TWO.format(body=APART), opset=8))
    case = prove(proto)
    assert [i.name for i in case.proto.graph.input] == [i.name for i in proto.graph.input]
    assert {len(operand(case.proto, name, 2)) for name in "ac"} == {6}
    assert maker(case.proto, maker(case.proto, "a").input[2]).op_type == "Constant"
    declared = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim]
                for i in case.proto.graph.input}  # fmt: skip
    for tensor in case.proto.graph.initializer:
        assert declared[tensor.name] == list(tensor.dims)
    assert declared["w"] == [6, 3, 3, 3] and declared["b"] == [12]


def test_a_table_and_its_transpose() -> None:
    """Tied embeddings: rows are tokens, columns are channels, read both ways."""
    proto = model(
        """
        net (int64[2,4] x) => (float[2,4,20] y) <float[20,12] table, float[12,12] w, float[12] b> {
          e = Gather<axis = 0>(table, x)
          a = MatMul(e, w)
          c = Add(a, b)
          t = Transpose<perm = [1,0]>(table)
          y = MatMul(c, t)
        }
        """
    )
    case = prove(proto)
    assert dims(case.proto, "table") == [20, 6]
    assert names(case.proto) == names(proto)


def test_uses_that_cannot_be_told_apart_are_refused() -> None:
    """A stand-in for an operator that is lowered with its operands in another order or number."""
    case: Case = cut(model(TWO.format(body=APART)))
    from graphprune.passes.narrow.edit import Editor
    from graphprune.passes.narrow.parameters import _Reading

    editor = Editor(case.lowered)
    reading = _Reading(editor, case.coupling)
    reading._uses[0, "b"] = ["b", "b@1", "b"]
    reading._places["b"][0] = [1, 2]
    with pytest.raises(UnsupportedModel, match="tensor 'b' cannot be narrowed") as caught:
        list(reading.places("b", "b"))
    assert "--keep b" in str(caught.value)
