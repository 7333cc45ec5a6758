"""The small conveniences of values and nodes."""

from __future__ import annotations

import pytest

from graphprune.ir import Node, Value

NODE = Node("pointwise.add", ("a", ""), ("", "y"), {"axes": (1, 2), "axis": 3, "mode": "x"})


def test_a_node_knows_its_family_and_title() -> None:
    assert NODE.family == "pointwise"
    assert NODE.title == "y"
    assert Node("conv", (), ("",)).title == "conv"
    assert Node("conv", (), ("y",), label="layer1").title == "layer1"


def test_attributes_are_read_by_type() -> None:
    assert NODE.ints("axes") == (1, 2)
    assert NODE.ints("axis") == NODE.ints("none") == ()
    assert NODE.int("axis") == 3
    assert NODE.int("none", 7) == 7
    for name in ("axes", "mode"):
        with pytest.raises(ValueError, match=f"attribute '{name}' of y is not an integer"):
            NODE.int(name)


def test_an_unknown_shape_cannot_be_read() -> None:
    assert Value("x", (2,)).known_shape == (2,)
    with pytest.raises(ValueError, match="the shape of 'x' is not known"):
        _ = Value("x", None).known_shape
