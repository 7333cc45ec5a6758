"""What a respelling rule may ask about the site it works on."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import UnsupportedModel
from graphprune.passes.narrow.refold import Refold
from graphprune.passes.narrow.respell import RESPELL, Edit, Site, respells
from tests.onnxtext import cut, maker, model, operand, prove

ROWS = model(
    """
    net (float[2,3,4,4] x) => (float[2,5,4,4] y)
    <float[12,3,1,1] w, float[5,12,1,1] f, int64[5] split = {2,2,6,4,4}, int64[4] join = {2,-1,4,4}>
    {
      a = Conv(x, w)
      r = Reshape(a, split)
      n = Neg(r)
      q = Reshape(n, join)
      y = Conv(q, f)
    }
    """
)


def site(dead: list[int]) -> Site:
    """The Neg, where channels of the rows (2, 6) die."""
    case = cut(ROWS, only=())
    layer = next(x for x in case.coupling.layers["r"])
    alive = case.coupling.everything()
    alive[layer.rectangle().ravel()[dead]] = False
    node = next(n for n in case.coupling.graph.nodes if n.outputs == ("n",))
    native = case.lowered.natives[node.origin[0]]
    return Site(node, native, case.coupling, alive, Refold(case.lowered, {}))


def test_shapes_before_and_after() -> None:
    here = site([0, 6])
    assert here.old("r") == (2, 2, 6, 4, 4) and here.new("r") == (2, 2, 5, 4, 4)
    assert here.changes("r") and not here.changes("x")
    assert here.new("w") == (10, 3, 1, 1)


def test_rows_that_agree() -> None:
    here = site([1, 2, 7, 8])
    assert here.living("r", 2).tolist() == [True, False, False, True, True, True]
    assert here.living("r", 0).tolist() == [True, True]
    assert here.counts("r", 2, (0, 1, 3, 6)) == [0, 1, 1, 4]
    assert here.counts("r", 1, (0, 2)) == [0, 2]


def test_rows_that_do_not() -> None:
    here = site([1, 11])
    assert here.counts("r", 2, (0, 6)) == [0, 5]
    with pytest.raises(UnsupportedModel) as caught:
        here.living("r", 2)
    assert str(caught.value) == (
        "UnsupportedModel: Neg cannot follow the plan\n"
        "  where: n\n"
        "  why:   every row would need other indices\n"
        "  fix:   exclude its channels with --keep"
    )
    with pytest.raises(UnsupportedModel, match="Neg cannot follow") as caught:
        here.counts("r", 2, (0, 3))
    assert "every row would need another range" in str(caught.value)


def test_rules_are_found_by_operator() -> None:
    @respells("test::One", "test::Other")
    def rule(site: Site) -> list[Edit]:
        return []

    assert RESPELL.pop("test::One") is RESPELL.pop("test::Other") is rule
    assert np.all([name in RESPELL for name in ("Reshape", "Slice", "Split", "Conv", "LSTM")])


def test_a_literal_that_two_reshapes_share() -> None:
    """Both meant 12; one tensor is narrowed, the other is the image's own."""
    body = """
      q = Reshape(a, s)
      i = Conv(x, k)
      j = Reshape(i, s)
      n = MatMul(q, m)
      u = MatMul(j, m)
      y = Reshape(u, t)
      z = MatMul(l, n)
    """
    inits = "float[12,3,1,1] k, float[64,64] m, float[5,12] l, int64[3] s = {2,12,64}"
    proto = model(
        f"""
        net (float[2,3,8,8] x) => (float[2,12,8,8] y, float[2,5,64] z)
        <float[12,3,3,3] w, {inits}, int64[4] t = {{2,12,8,8}}> {{
          a = Conv<pads = [1,1,1,1]>(x, w)
          {body}
        }}
        """
    )
    case = prove(proto, only=("w",))
    assert operand(case.proto, "q", 1).tolist() == [2, 6, 64]
    assert operand(case.proto, "j", 1).tolist() == [2, 12, 64]
    assert maker(case.proto, "j").input[1] == "s"
