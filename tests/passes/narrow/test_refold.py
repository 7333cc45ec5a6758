"""Shape arithmetic, evaluated again with narrowed extents."""

from __future__ import annotations

import pytest

from graphprune.frontends.onnx import load, lower
from graphprune.passes.narrow.refold import Refold
from tests.onnxtext import agree, model, prove

NET = model(
    """
    net (float[2,12,4,4] x) => (float[2,192] y) <int64 one = {1}, int64[1] ax = {0}, int64 k = {16},
     int64[1] first = {0}, int64[1] second = {1}> {
      r = Relu(x)
      s = Shape(r)
      z = Size(r)
      c = Gather(s, one)
      b = Slice(s, first, second, , second)
      d = Mul(c, k)
      u = Unsqueeze(d, ax)
      t = Concat<axis = 0>(b, u)
      other = Shape(x)
      y = Reshape(r, t)
    }
    """
)


def test_what_follows_a_narrowed_tensor_changes() -> None:
    lowered = lower(load(NET))
    folded = Refold(lowered, {"r": (2, 6, 4, 4)})
    for native in lowered.natives:
        folded.visit(native)
    found = {
        name: folded.now(name).tolist() for name in ("s", "z", "c", "b", "d", "u", "t", "other")
    }
    assert found == {
        "s": [2, 6, 4, 4], "z": 192, "c": 6, "b": [2], "d": 96, "u": [96], "t": [2, 96],
        "other": [2, 12, 4, 4],
    }  # fmt: skip
    changed = {name for name in found if folded.changed(name)}
    assert changed == {"s", "z", "c", "d", "u", "t"}
    assert folded.shape("r") == (2, 6, 4, 4) and folded.shape("x") == (2, 12, 4, 4)


def test_nothing_changes_without_a_narrowed_tensor() -> None:
    lowered = lower(load(NET))
    folded = Refold(lowered, {})
    for native in lowered.natives:
        folded.visit(native)
    assert not any(folded.changed(name) for name in lowered.known)


@pytest.mark.parametrize(
    ("opset", "form"), [(10, "Resize(d, z)"), (11, "Resize(d, z, z)"), (13, "Resize(d, , z)")]
)
def test_scales_that_are_computed_from_sizes(opset: int, form: str) -> None:
    """As exporters wrote a resize to the size of another tensor, before Resize took sizes."""
    text = f"""
    net (float[N,3,H,W] x) => (float[N,5,H,W] y) <float[12,3,3,3] w, float[10,12,3,3] v,
     float[5,22,1,1] f, int64[1] two = {{2}}, int64[1] end = {{4}}, int64[1] ax = {{0}}> {{
      a = Conv<pads = [1,1,1,1]>(x, w)
      d = Conv<pads = [1,1,1,1], strides = [2,2]>(a, v)
      s = Shape(a)
      t = Shape(d)
      sh = Slice(s, two, end, ax)
      th = Slice(t, two, end, ax)
      sf = Cast<to = 1>(sh)
      tf = Cast<to = 1>(th)
      r = Div(sf, tf)
      ones = Constant<value = float[2] {{1, 1}}>()
      z = Concat<axis = 0>(ones, r)
      u = {form}
      c = Concat<axis = 1>(a, u)
      y = Conv(c, f)
    }}
    """
    case = prove(model(text, opset=opset), shapes={"x": (1, 3, 8, 8)})
    agree(case, x=(2, 3, 6, 12))
    assert case.proto.graph.node == case.lowered.model.proto.graph.node
