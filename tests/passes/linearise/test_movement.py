"""Moves: gradients go back to where the elements came from."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import UnsupportedModel
from graphprune.ir import Node
from graphprune.ir.shapes import infer
from graphprune.passes.linearise.flow import RULES, Step
from graphprune.terms import Floats

MOVES = [
    Node("reshape", ("x",), ("y",), {"shape": (4, 6, 6)}),
    Node("transpose", ("x",), ("y",), {"perm": (2, 0, 3, 1)}),
    Node("slice", ("x",), ("y",), {"axes": (1, 3), "starts": (1, -1), "ends": (4, -9),
                                   "steps": (1, -2)}),
    Node("expand", ("x",), ("y",), {"shape": (2, 1, 4, 6, 6)}),
    Node("tile", ("x",), ("y",), {"repeats": (1, 2, 1, 3)}),
    Node("shuffle", ("x",), ("y",), {"axis": 1, "perm": (2, 0, 3, 1)}),
    Node("depth_to_space", ("x",), ("y",), {"block": 2, "channel_first": True}),
    Node("depth_to_space", ("x",), ("y",), {"block": 2, "channel_first": False}),
    Node("space_to_depth", ("x",), ("y",), {"block": 3}),
    Node("pad", ("x",), ("y",), {"pads": (0, 1, 2, 0, 0, 0, -1, 3), "mode": "constant"}),
    Node("pad", ("x",), ("y",), {"pads": (0, 0, 2, 1, 0, 0, 1, 3), "mode": "reflect"}),
    Node("pad", ("x",), ("y",), {"pads": (0, 0, 2, 1, 0, 0, 1, 3), "mode": "edge"}),
    Node("resize", ("x",), ("y",), {"shape": (1, 4, 12, 3)}),
]  # fmt: skip
SHAPE = (1, 4, 6, 6)


def step(node: Node, *operands: Floats) -> Step:
    """A node to run."""
    shapes = [array.shape for array in operands]
    return Step(node, operands, infer(node, shapes), -1, shapes, [None] * len(operands))


@pytest.mark.parametrize("node", MOVES, ids=lambda node: node.op)
def test_the_way_back_is_the_adjoint(node: Node) -> None:
    rng = np.random.default_rng(0)
    x = rng.random(SHAPE)
    linear = RULES[node.op](step(node, x))
    (result,) = linear.results
    given = rng.random(result.shape)
    (back,) = linear.pull([given])
    assert back is not None and back.shape == SHAPE
    assert (result * given).sum() == pytest.approx((x * back).sum())
    assert set(np.unique(result)) <= {0.0, *np.unique(x)}


def test_depth_to_space_orders_channels_as_the_operators_do() -> None:
    x = np.arange(8.0).reshape(1, 8, 1, 1)
    for first, expected in ((True, [[0, 1], [2, 3]]), (False, [[0, 2], [4, 6]])):
        node = Node("depth_to_space", ("x",), ("y",), {"block": 2, "channel_first": first})
        assert RULES[node.op](step(node, x)).results[0][0, 0].tolist() == expected


def test_pieces_that_nothing_reads_are_left_out() -> None:
    node = Node("split", ("x",), ("a", "", "c"), {"axis": 1, "sizes": (1, 1, 2)})
    x = np.arange(4.0).reshape(1, 4)
    linear = RULES["split"](Step(node, [x], [(1, 1), (1, 2)], -1, [(1, 4)], [None]))
    assert [piece.tolist() for piece in linear.results] == [[[0]], [[2, 3]]]
    (back,) = linear.pull([np.array([[5.0]]), np.array([[6.0, 7.0]])])
    assert back is not None and back.tolist() == [[5, 0, 6, 7]]


def test_a_block_replaced_takes_its_gradient_along() -> None:
    node = Node("scatter", ("x", "u"), ("y",), {"starts": (0, 1)})
    linear = RULES["scatter"](step(node, np.zeros((1, 4)), np.ones((1, 2))))
    assert linear.results[0].tolist() == [[0, 1, 1, 0]]
    left, block = linear.pull([np.array([[1.0, 2.0, 3.0, 4.0]])])
    assert left is not None and block is not None
    assert (left.tolist(), block.tolist()) == ([[1, 0, 0, 4]], [[2, 3]])


def test_constants_are_concatenated_as_zeros() -> None:
    node = Node("concat", ("x", "c"), ("y",), {"axis": 1})
    shapes = [(1, 2), (1, 1)]
    linear = RULES["concat"](Step(node, [np.ones((1, 2)), None], [(1, 3)], -1, shapes, [None] * 2))
    assert linear.results[0].tolist() == [[1, 1, 0]]
    assert linear.pull([np.ones((1, 3))])[1] is None


def test_gathers_follow_their_constant_indices() -> None:
    node = Node("gather", ("x", "i"), ("y",), {"axis": 1})
    index, shapes = np.array([2, 0, 2]), [(1, 3), (3,)]
    given = Step(node, [np.array([[1.0, 2.0, 3.0]]), None], [(1, 3)], -1, shapes, [None, index])
    linear = RULES["gather"](given)
    assert linear.results[0].tolist() == [[3, 1, 3]]
    back, _ = linear.pull([np.array([[1.0, 10.0, 100.0]])])
    assert back is not None and back.tolist() == [[10, 0, 101]]
    with pytest.raises(UnsupportedModel, match="its indices are not known"):
        RULES["gather"](given._replace(constants=[None, None]))
