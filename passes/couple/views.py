"""Movement of label arrays: what NumPy does to numbers, done to labels."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from graphprune.groups import Ids, Layer
from graphprune.ir.graph import Shape
from graphprune.passes.couple.context import Context


def varies(ids: Ids, axis: int) -> bool:
    """Whether labels differ along an axis."""
    return bool((ids != np.take(ids, [0], axis=axis)).any())


def collapse(ids: Ids, but: int | None = None) -> Ids:
    """Axes along which labels do not vary get extent 1, all ``but`` one."""
    for axis, size in enumerate(ids.shape):
        if size > 1 and axis != but and not varies(ids, axis):
            ids = np.take(ids, [0], axis=axis)
    return ids


def blocks(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """Runs of axes that a reshape maps onto each other, as small as possible."""
    i = j = 0
    while i < len(old) or j < len(new):
        a, b = i, j
        left = right = 1
        if i < len(old):
            left, i = old[i], i + 1
        if j < len(new):
            right, j = new[j], j + 1
        while left != right:
            if left < right and i < len(old):
                left, i = left * old[i], i + 1
            elif j < len(new):
                right, j = right * new[j], j + 1
            else:
                break
        yield range(a, i), range(b, j)


def mapping(ctx: Context, x: str, y: str) -> list[tuple[range, range]]:
    """Runs of axes that a reshape from ``x`` to ``y`` maps onto each other.

    An axis narrowed to one channel leaves it open which axes it belongs to; a replay asks the
    original.
    """
    old, new = ctx.shape(x), ctx.shape(y)
    before, after = ctx.shape_before(x), ctx.shape_before(y)
    if before is not None and after is not None:
        parts = list(blocks(before, after))
        ranks = len(before) == len(old) and len(after) == len(new)
        if ranks and all(prod(old[i] for i in a) == prod(new[j] for j in b) for a, b in parts):
            return parts
    return list(blocks(old, new))


def reshape(ctx: Context, layer: Layer, x: str, y: str) -> Layer | None:
    """A layer after a reshape from ``x`` to ``y``; None where it varies no more."""
    old, new, parts = ctx.shape(x), ctx.shape(y), mapping(ctx, x, y)
    home = next(after for before, after in parts if layer.axis in before)
    if not home:
        return None
    layer = _rows_first(ctx, layer, next(before for before, _ in parts if layer.axis in before))
    extents: list[int] = []
    target: list[int] = []
    for before, after in parts:
        varies = any(layer.ids.shape[i] > 1 for i in before)
        extents += [old[i] if varies else 1 for i in before]
        target += [new[j] if varies else 1 for j in after]
    ids = np.broadcast_to(layer.ids, extents).reshape(target)
    axis, later = _narrowed(ctx, ids, home, y)
    # One channel: its label is everywhere along what its axis was merged into.
    full = [new[j] if j == axis else n for j, n in enumerate(ids.shape)]
    ids = np.broadcast_to(ids, full)
    return ctx.tie(Layer(ids if ids.size == full[axis] else collapse(ids, axis), axis), later)


def _narrowed(ctx: Context, ids: Ids, home: range, name: str) -> tuple[int, list[int]]:
    """The axis that is narrowed among those an axis came to, and those that must be uniform."""
    varying = [j for j in home if varies(ids, j)]
    axis = ctx.axis_before(name, home)
    if axis is None and len(varying) > 1:
        sizes = tuple(ids.shape[j] for j in varying)
        ctx.splits[name] = (ids, sizes)
        axis = varying[ctx.choose(name, sizes)]
    elif axis is None:
        axis = varying[0] if varying else max(home, key=lambda j: ctx.shape(name)[j])
    return axis, [j for j in varying if j > axis]


def _rows_first(ctx: Context, layer: Layer, block: range) -> Layer:
    """Merging keeps the order of survivors only if rows come before the narrowed axis."""
    return ctx.tie(layer, [i for i in block if i > layer.axis and i in layer.rows])


def align(layer: Layer, rank: int) -> Layer:
    """A layer of a value that broadcasts to a higher rank."""
    missing = rank - layer.ids.ndim
    if missing == 0:
        return layer
    return Layer(layer.ids.reshape((1,) * missing + layer.ids.shape), layer.axis + missing)


def insert_axes(layer: Layer, axis: int, count: int) -> Layer:
    """A layer after one axis became ``count`` axes of extent 1 (it must not vary there)."""
    shape = layer.ids.shape
    ids = layer.ids.reshape(shape[:axis] + (1,) * count + shape[axis + 1 :])
    return Layer(ids, layer.axis + count - 1 if layer.axis > axis else layer.axis)


def drop_axes(layer: Layer, axes: set[int]) -> Layer:
    """A layer after axes were removed along which it does not vary."""
    kept = [i for i in range(layer.ids.ndim) if i not in axes]
    ids = layer.ids.reshape([layer.ids.shape[i] for i in kept])
    return Layer(ids, kept.index(layer.axis))
