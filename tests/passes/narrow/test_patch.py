"""Symbolic dimensions stay symbolic: only the literal that is wrong changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphprune.errors import UnsupportedModel
from tests.onnxtext import Case, agree, cut, dims, maker, model, operand, prove

HEAD = """
net (float[N,3,H,W] x) => (float[N,5,H2,W2] y) <float[12,3,3,3] w, {inits}> {{
  a = Conv<pads = [1,1,1,1]>(x, w)
  s = Shape(a)
  {body}
}}
"""
PIECES = """
  i0 = Constant<value_int = 0>()
  i2 = Constant<value_int = 2>()
  i3 = Constant<value_int = 3>()
  ax = Constant<value_ints = [0]>()
  n0 = Gather(s, i0)
  n = Unsqueeze(n0, ax)
  h0 = Gather(s, i2)
  h = Unsqueeze(h0, ax)
  v0 = Gather(s, i3)
  v = Unsqueeze(v0, ax)
"""
CONV = "int64[4] zeros = {{0,0,0,0}}, float[5,12,1,1] f"
SHAPES = {"x": (1, 3, 8, 8)}


def dynamic(body: str, inits: str = "float[5,12,1,1] f", opset: int = 17) -> str:
    pieces = PIECES if opset >= 13 else PIECES.replace("(n0, ax)", "<axes = [0]>(n0)").replace(
        "(h0, ax)", "<axes = [0]>(h0)").replace("(v0, ax)", "<axes = [0]>(v0)")  # fmt: skip
    if opset < 12:
        pieces = pieces.replace("value_ints = [0]", "value = int64[1] {0}")
        for i in (0, 2, 3):
            pieces = pieces.replace(f"value_int = {i}", f"value = int64 {{{i}}}")
    return HEAD.format(body=pieces + body, inits=inits)


def elsewhere(text: str, opset: int = 17, **options: Any) -> Case:
    """Prove a model at one size, and compare it at others."""
    case = prove(model(text, opset=opset), shapes=SHAPES, **options)
    for n, h, w in ((1, 8, 8), (3, 8, 8), (2, 5, 9)):
        agree(case, x=(n, 3, h, w))
    before, after = case.lowered.model.proto.graph, case.proto.graph
    assert after.input == before.input and after.output == before.output
    return case


@pytest.mark.parametrize("opset", [9, 13, 17, 22])
def test_the_literal_among_gathered_extents(opset: int) -> None:
    text = dynamic(
        """
        c = Constant<value = int64[1] {12}>()
        t = Concat<axis = 0>(n, c, h, v)
        q = Reshape(a, t)
        y = Conv(q, f)
        """,
        opset=opset,
    )
    case = elsewhere(text, opset)
    assert operand(case.proto, "t", 1).tolist() == [6]
    assert [n.op_type for n in case.proto.graph.node] == [
        n.op_type for n in case.lowered.model.proto.graph.node
    ]


@pytest.mark.parametrize("opset", [7, 8, 13, 22])
def test_a_literal_that_something_else_reads_too(opset: int) -> None:
    """The vector cannot be changed where it is written, so one element of it is put right."""
    text = dynamic(
        """
        c = Constant<value = int64[1] {12}>()
        t = Concat<axis = 0>(n, c, h, v)
        q = Reshape(a, t)
        b = Conv(x, k)
        j = Reshape(b, t)
        y1 = Conv(q, f)
        y2 = Conv(j, g)
        y = Add(y1, y2)
        """,
        "float[5,12,1,1] f, float[12,3,1,1] k, float[5,12,1,1] g",
        opset=opset,
    )
    case = elsewhere(text, opset, only=("w",))
    assert maker(case.proto, "j").input[1] == "t"
    patch = maker(case.proto, maker(case.proto, "q").input[1])
    assert patch.op_type == ("Where" if opset >= 9 else "Add")
    assert operand(case.proto, "t", 1).tolist() == [12]
    assert dims(case.proto, "k") == [12, 3, 1, 1]


def test_a_batch_that_is_looked_up_and_channels_that_are_left_to_minus_one() -> None:
    text = dynamic(
        """
        m = Constant<value_ints = [-1]>()
        t = Concat<axis = 0>(n, m, h, v)
        q = Reshape(a, t)
        y = Conv(q, f)
        """
    )
    case = elsewhere(text)
    assert case.proto.graph.node == case.lowered.model.proto.graph.node


def test_channels_times_pixels() -> None:
    """C * H * W is computed from the narrowed shape, and so needs no change."""
    text = """
    net (float[N,3,8,8] x) => (float[N,5] y) <float[12,3,3,3] w, float[768,5] f,
     int64 one = {1}, int64 two = {2}, int64 three = {3}, int64 zero = {0}, int64[1] ax = {0}> {
      a = Conv<pads = [1,1,1,1]>(x, w)
      s = Shape(a)
      c = Gather(s, one)
      h = Gather(s, two)
      v = Gather(s, three)
      n0 = Gather(s, zero)
      ch = Mul(c, h)
      chv = Mul(ch, v)
      m = Unsqueeze(chv, ax)
      n = Unsqueeze(n0, ax)
      t = Concat<axis = 0>(n, m)
      q = Reshape(a, t)
      y = MatMul(q, f)
    }
    """
    case = prove(model(text))
    assert case.proto.graph.node == case.lowered.model.proto.graph.node
    agree(case, x=(4, 3, 8, 8))


def test_sizes_of_a_resize_keep_their_computed_pixels() -> None:
    text = dynamic(
        """
        two = Constant<value_ints = [2]>()
        h2 = Mul(h, two)
        v2 = Mul(v, two)
        c = Constant<value_ints = [12]>()
        t = Concat<axis = 0>(n, c, h2, v2)
        q = Resize(a, , , t)
        y = Conv(q, f)
        """
    )
    case = elsewhere(text)
    assert operand(case.proto, "t", 1).tolist() == [6]


def test_an_expand_to_the_batch() -> None:
    text = """
    net (float[N,7,8] x) => (float[N,8,5] y) <float[8,12] w, float[1,1,12] token, float[12,5] f,
     int64 zero = {0}, int64[1] ax = {0}, int64[2] rest = {1,12}> {
      a = MatMul(x, w)
      s = Shape(a)
      n0 = Gather(s, zero)
      n = Unsqueeze(n0, ax)
      t = Concat<axis = 0>(n, rest)
      e = Expand(token, t)
      c = Concat<axis = 1>(e, a)
      y = MatMul(c, f)
    }
    """
    case = prove(model(text), shapes={"x": (2, 7, 8)})
    agree(case, x=(5, 7, 8))
    assert operand(case.proto, "t", 1).tolist() == [1, 6]
    assert dims(case.proto, "token") == [1, 1, 6]


def test_an_expand_as_pytorch_writes_it() -> None:
    """Minus ones are looked for in a computed target, whose 12 is read through all of that."""
    text = dynamic(
        """
        c = Constant<value = int64[1] {12}>()
        t = Concat<axis = 0>(n, c, h, v)
        l = Shape(t)
        o = ConstantOfShape<value = int64[1] {1}>(l)
        m = Mul(o, minus)
        e = Equal(t, m)
        u = Where(e, o, t)
        b = Expand(bias, u)
        q = Add(a, b)
        y = Conv(q, f)
        """,
        "float[5,12,1,1] f, float[1,12,1,1] bias, int64 minus = {-1}",
    )
    case = elsewhere(text)
    assert dims(case.proto, "bias") == [1, 6, 1, 1]


def test_a_computed_batch_that_happens_to_be_one_stays_computed() -> None:
    """Lowered with a batch of one, at which no comparison of numbers shows what is dynamic."""
    text = dynamic(
        """
        c = Constant<value_ints = [12]>()
        t = Concat<axis = 0>(n, c, h, v)
        u = Identity(t)
        q = Reshape(a, u)
        y = Conv(q, f)
        """
    )
    case = prove(model(text), shapes=SHAPES)
    agree(case, x=(3, 3, 8, 8))
    agree(case, x=(1, 3, 16, 4))


def test_an_extent_that_rounds_to_the_same_number_stays_computed() -> None:
    """H / 64 is 4 at 256 and at 288: no two guesses of mine would tell that it is dynamic."""
    text = """
    net (float[N,3,H,64] x) => (float[N,5,P,Q] y) <float[12,3,1,1] w, float[5,12,1,1] f,
     int64 zero = {0}, int64 two = {2}, int64 sixty = {64}, int64[1] ax = {0}, int64[1] c = {12},
     int64[1] m = {-1}> {
      a = Conv(x, w)
      s = Shape(a)
      n0 = Gather(s, zero)
      n = Unsqueeze(n0, ax)
      h0 = Gather(s, two)
      d0 = Div(h0, sixty)
      d = Unsqueeze(d0, ax)
      t = Concat<axis = 0>(n, c, d, m)
      u = Identity(t)
      q = Reshape(a, u)
      y = Conv(q, f)
    }
    """
    case = prove(model(text), shapes={"x": (1, 3, 256, 64)})
    agree(case, x=(1, 3, 128, 64))
    agree(case, x=(2, 3, 512, 64))


def test_shapes_the_user_gives_are_not_written_into_the_model() -> None:
    text = dynamic(
        """
        c = Constant<value_ints = [12]>()
        t = Concat<axis = 0>(n, c, h, v)
        u = Add(t, zero)
        q = Reshape(a, u)
        y = Conv(q, f)
        """,
        "float[5,12,1,1] f, int64 zero = {0}",
    )
    case = prove(model(text), shapes={"x": (4, 3, 6, 6)})
    agree(case, x=(2, 3, 5, 9))


def test_a_changed_number_of_dynamic_elements_is_refused() -> None:
    """Channel indices that are read off the batch: no constant can follow."""
    text = """
    net (float[N,3,8,8] x) => (float[N,5,8,8] y) <float[12,3,1,1] w, float[5,2,1,1] f,
     int64 zero = {0}, int64[1] ax = {0}, int64[1] m = {11}> {
      a = Conv(x, w)
      s = Shape(x)
      n0 = Gather(s, zero)
      n = Unsqueeze(n0, ax)
      i = Concat<axis = 0>(n, m)
      b = Gather<axis = 1>(a, i)
      y = Conv(b, f)
    }
    """
    with pytest.raises(UnsupportedModel) as caught:
        for seed in range(8):
            cut(model(text), seed=seed)
    assert str(caught.value) == (
        "UnsupportedModel: Gather cannot follow the plan\n"
        "  where: b\n"
        "  why:   an extent that must change is computed from a symbolic dimension\n"
        "  fix:   exclude its channels with --keep, or export with fixed dimensions"
    )


def test_a_static_model_gets_plain_constants() -> None:
    text = dynamic(
        """
        c = Constant<value_ints = [12]>()
        t = Concat<axis = 0>(n, c, h, v)
        u = Add(t, zero)
        q = Reshape(a, u)
        y = Conv(q, f)
        """,
        "float[5,12,1,1] f, int64 zero = {0}",
    ).replace("[N,3,H,W]", "[2,3,8,8]")
    case = prove(model(text))
    assert operand(case.proto, "q", 1).tolist() == [2, 6, 8, 8]
    assert {n.op_type for n in case.proto.graph.node} == {"Conv", "Reshape"}
    assert np.array_equal(operand(case.proto, "q", 1).shape, (4,))
