"""Movement of label arrays: what NumPy does to numbers, done to labels."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from graphprune.groups import Ids, Layer
from graphprune.ir.graph import Shape
from graphprune.passes.couple.context import Context


def collapse(ids: Ids, but: int | None = None) -> Ids:
    """Axes along which labels do not vary get extent 1, all ``but`` one."""
    for axis, size in enumerate(ids.shape):
        if size > 1 and axis != but:
            first = np.take(ids, [0], axis=axis)
            if (ids == first).all():
                ids = first
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


def reshape(ctx: Context, layer: Layer, old: Shape, new: Shape, name: str) -> Layer | None:
    """A layer after a reshape.

    Args:
        ctx: Where ties and choices are recorded.
        layer: The layer before.
        old: The value's shape before.
        new: The value's shape after.
        name: The result, by which a choice is remembered.

    Returns:
        The layer after; None where it varies no more.
    """
    parts = list(blocks(old, new))
    for before, after in parts:
        if layer.axis in before and len(before) > 1:
            layer = _rows_first(ctx, layer, before)
    extents: list[int] = []
    target: list[int] = []
    for before, after in parts:
        varies = any(layer.ids.shape[i] > 1 for i in before)
        extents += [old[i] if varies else 1 for i in before]
        target += [new[j] if varies else 1 for j in after]
    ids = np.broadcast_to(layer.ids, extents).reshape(target)
    home = next(after for before, after in parts if layer.axis in before)
    ids = _collapse_varying(ids)
    varying = [j for j in home if ids.shape[j] > 1]
    if varying:
        return _split(ctx, ids, varying, name)
    if not home:
        return None
    # One channel: its label is everywhere along what its axis was merged into.
    widest = max(home, key=lambda j: new[j])
    full = [new[j] if j == widest else n for j, n in enumerate(ids.shape)]
    return Layer(np.broadcast_to(ids, full), widest)


def _collapse_varying(ids: Ids) -> Ids:
    return ids if prod(ids.shape) == max(ids.shape, default=1) else collapse(ids)


def _rows_first(ctx: Context, layer: Layer, block: range) -> Layer:
    """Merging keeps the order of survivors only if rows come before the narrowed axis."""
    return ctx.tie(layer, [i for i in block if i > layer.axis and i in layer.rows])


def _split(ctx: Context, ids: Ids, varying: list[int], name: str) -> Layer:
    """Choose which of the axes that an axis was split into is narrowed."""
    if len(varying) == 1:
        return Layer(ids, varying[0])
    sizes = tuple(ids.shape[j] for j in varying)
    ctx.splits[name] = (ids, sizes)
    chosen = ctx.choose(name, sizes)
    return ctx.tie(Layer(ids, varying[chosen]), varying[chosen + 1 :])


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
