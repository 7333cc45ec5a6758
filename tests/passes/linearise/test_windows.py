"""Windows: ways of padding and rounding that PyTorch's layers of the flow test do not have."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.ir import Attr, Node
from graphprune.ir.shapes import infer
from graphprune.passes.linearise.flow import RULES, Linear, Step
from graphprune.terms import Floats

POOLS: dict[str, dict[str, Attr]] = {
    "plain": {"kernel": (2, 2), "strides": (2, 2)},
    "ceil": {"kernel": (2, 3), "strides": (2, 2), "ceil": True},
    "padded": {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1), "ceil": True},
    "dilated": {"kernel": (2, 2), "strides": (1, 1), "dilations": (2, 1)},
    "global": {"everything": True},
}


def run(op: str, attrs: dict[str, Attr], *operands: Floats) -> Linear:
    node = Node(op, tuple("xw"[: len(operands)]), ("y",), attrs)
    shapes = [array.shape for array in operands]
    return RULES[op](Step(node, operands, infer(node, shapes), -1, shapes, [None] * len(operands)))


@pytest.mark.parametrize("name", POOLS)
def test_pools_are_means_and_their_adjoint_spreads(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((2, 3, 7, 6))
    linear = run("pool", POOLS[name], x)
    (result,) = linear.results
    assert result.max() <= x.max()
    given = rng.random(result.shape)
    (back,) = linear.pull([given])
    assert back is not None
    assert (result * given).sum() == pytest.approx((x * back).sum())


def test_a_window_that_reaches_beyond_the_border_counts_zeros_there() -> None:
    (result,) = run("pool", {"kernel": (2,), "strides": (2,), "ceil": True},
                    np.ones((1, 1, 3))).results  # fmt: skip
    assert result.tolist() == [[[1.0, 0.5]]]


def test_a_second_result_of_a_pool_carries_nothing() -> None:
    node = Node("pool", ("x",), ("y", "i"), {"kernel": (2,), "strides": (2,)})
    step = Step(node, [np.ones((1, 1, 4))], [(1, 1, 2)] * 2, -1, [(1, 1, 4)], [None])
    assert [result.sum() for result in RULES["pool"](step).results] == [2, 0]


@pytest.mark.parametrize("pads", [(1, 0, 0, 2), (-1, 0, 0, 1), (-1, -2, -1, 0)])
def test_borders_may_differ_and_crop(pads: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.random((2, 2, 6, 7)), rng.random((3, 2, 2, 3))
    linear = run("conv", {"pads": pads}, x, w)
    inner = x[:, :, max(0, -pads[0]) : 6 + min(0, pads[2]), max(0, -pads[1]) : 7 + min(0, pads[3])]
    rows, columns = ((max(0, pads[i]), max(0, pads[i + 2])) for i in (0, 1))
    padded = np.pad(inner, [(0, 0), (0, 0), rows, columns])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), axis=(2, 3))
    np.testing.assert_allclose(linear.results[0], np.einsum("nihwab,oiab->nohw", windows, w))
    given = rng.random(linear.results[0].shape)
    back, by_weight = linear.pull([given])
    assert back is not None and by_weight is not None
    total = (linear.results[0] * given).sum()
    assert (x * back).sum() == pytest.approx(total)
    assert (w * by_weight).sum() == pytest.approx(total)
