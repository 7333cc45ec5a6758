"""Axes counted from either end."""

from __future__ import annotations

import pytest

from graphprune.frontends.onnx.axes import axes_of, axis_of


def test_negative_axes_count_from_the_end() -> None:
    assert [axis_of(a, 3) for a in (0, 2, -1, -3)] == [0, 2, 2, 0]
    assert axes_of((-1, 0), 4) == (3, 0)
    assert axes_of((), 0) == ()


@pytest.mark.parametrize(("axis", "rank"), [(3, 3), (-4, 3), (0, 0), (-1, 0)])
def test_there_must_be_such_an_axis(axis: int, rank: int) -> None:
    with pytest.raises(ValueError, match=f"axis {axis} of a tensor with {rank} axes"):
        axis_of(axis, rank)


def test_no_axis_may_be_named_twice() -> None:
    with pytest.raises(ValueError, match="name one twice"):
        axes_of((1, -1), 2)
