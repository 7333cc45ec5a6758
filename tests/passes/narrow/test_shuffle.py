"""Channel shuffles are narrowed to any width, by an explicit Gather."""

from __future__ import annotations

import pytest

from tests.onnxtext import agree, cut, maker, model, operand, prove

SHUFFLE = """
net (float[{n},3,4,4] x) => (float[{n},5,4,4] y)
<float[12,3,1,1] w, float[5,12,1,1] f, int64[5] split = {{2,3,4,4,4}},
 int64[4] join = {{2,12,4,4}}> {{
  a = Conv(x, w)
  {body}
  y = Conv(q, f)
}}
"""
PLAIN = """
  r = Reshape(a, split)
  t = Transpose<perm = [0,2,1,3,4]>(r)
  q = Reshape(t, join)
"""


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("opset", [7, 13, 22])
def test_any_width(keep: float, opset: int) -> None:
    text = SHUFFLE.format(n=2, body=PLAIN)
    proto = model(text, opset=opset, ir=10 if opset > 20 else 8)
    case = prove(proto, keep=keep, seed=opset)
    assert [n.op_type for n in case.proto.graph.node] == ["Conv", "Gather", "Conv"]
    width = max(1, round(12 * keep))
    assert sorted(operand(case.proto, "q", 1).tolist()) == list(range(width))
    assert [t.name for t in case.proto.graph.initializer] == ["w", "f", "q.narrowed"]
    assert maker(case.proto, "q").name == maker(proto, "q").name


def test_a_shuffle_that_loses_nothing_stays() -> None:
    text = SHUFFLE.format(n=2, body=PLAIN + "\n v = Conv(x, u)")
    proto = model(text.replace("float[5,12,1,1] f", "float[5,12,1,1] f, float[6,3,1,1] u"))
    assert cut(proto, only=()).proto.graph.node == proto.graph.node


def test_a_computed_batch_is_no_longer_needed() -> None:
    body = """
      s = Shape(a)
      i = Constant<value_ints = [0]>()
      e = Constant<value_ints = [1]>()
      b = Slice(s, i, e)
      k = Constant<value_ints = [3, 4, 4, 4]>()
      l = Constant<value_ints = [12, 4, 4]>()
      sp = Concat<axis = 0>(b, k)
      jo = Concat<axis = 0>(b, l)
      r = Reshape(a, sp)
      t = Transpose<perm = [0,2,1,3,4]>(r)
      q = Reshape(t, jo)
    """
    case = prove(model(SHUFFLE.format(n="N", body=body)))
    assert [n.op_type for n in case.proto.graph.node] == ["Conv", "Gather", "Conv"]
    agree(case, x=(3, 3, 4, 4))


def test_shape_arithmetic_that_others_read_stays() -> None:
    body = """
      s = Shape(x)
      i = Constant<value_ints = [0]>()
      e = Constant<value_ints = [1]>()
      b = Slice(s, i, e)
      k = Constant<value_ints = [3, 4, 4, 4]>()
      l = Constant<value_ints = [-1, 4, 4]>()
      sp = Concat<axis = 0>(b, k)
      jo = Concat<axis = 0>(b, l)
      r = Reshape(a, sp)
      t = Transpose<perm = [0,2,1,3,4]>(r)
      q0 = Reshape(t, jo)
      q = Reshape(q0, jo)
    """
    case = prove(model(SHUFFLE.format(n="N", body=body)))
    agree(case, x=(3, 3, 4, 4))
    assert "jo" in [o for n in case.proto.graph.node for o in n.output]
