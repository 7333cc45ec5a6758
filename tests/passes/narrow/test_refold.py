"""Shape arithmetic, evaluated again with narrowed extents."""

from __future__ import annotations

from graphprune.frontends.onnx import load, lower
from graphprune.passes.narrow.refold import Refold
from tests.onnxtext import model

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
