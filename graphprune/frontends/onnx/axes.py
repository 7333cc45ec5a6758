"""Axes counted from either end."""

from __future__ import annotations

from collections.abc import Iterable


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Args:
        axis: As ONNX has it: negative numbers count from the end.
        rank: Number of axes there are.

    Raises:
        ValueError: There is no such axis.
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def axes_of(axes: Iterable[int], rank: int) -> tuple[int, ...]:
    """As :func:`axis_of`, for several.

    Args:
        axes: As ONNX has them.
        rank: Number of axes there are.

    Raises:
        ValueError: There is no such axis, or one is named twice.
    """
    found = tuple(axis_of(a, rank) for a in axes)
    if len(set(found)) < len(found):
        raise ValueError(f"axes {found} name one twice")
    return found
