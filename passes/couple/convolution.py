"""Convolutions, plain, grouped and depthwise."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Ids, Layer
from graphprune.ir import Node
from graphprune.labels import IN
from graphprune.passes.couple.context import Context, rule


def channels(ctx: Context, name: str) -> Layer | None:
    """The channel layer of an image as one line of labels, shape (C,); other axes frozen."""
    for layer in ctx.of(name):
        if layer.axis > 1:
            ctx.freeze(layer, f"'{ctx.node.title}' slides over the axis")
    found = ctx.along(name, 1)
    if found is None:
        return None
    return Layer(ctx.tie(found, found.rows).ids.reshape(-1), 0)


def batch(ctx: Context, name: str) -> list[Layer]:
    """Layers along the batch axis pass through whatever treats images alike."""
    layers = [layer for layer in ctx.of(name) if layer.axis == 0]
    return [ctx.tie(layer, layer.rows) for layer in layers]


def spread(ids: Ids, axis: int, rank: int) -> Layer:
    """A line of labels along one axis of a tensor."""
    shape = [1] * rank
    shape[axis] = -1
    return Layer(ids.reshape(shape), axis)


@rule("conv")
def conv(ctx: Context, node: Node) -> None:
    """Input channels meet the weight's second axis, its first axis is the result's channels."""
    x, w = node.inputs[0], node.inputs[1]
    groups = node.int("groups", 1)
    rank = len(ctx.shape(w))
    source, filters = channels(ctx, x), ctx.along(w, 0)
    _freeze_kernel(ctx, w)
    if groups == 1 and node.outputs[0] not in ctx.choices:
        _dense(ctx, node, source, ctx.along(w, 1))
        ctx.out(filters)
    else:
        _grouped(ctx, node, source, filters, groups)
    result = spread(filters.ids.reshape(-1), 1, rank) if filters is not None else None
    _bias(ctx, node, filters)
    ctx.set(node.outputs[0], [*batch(ctx, x), result])


@rule("conv_transpose")
def conv_transpose(ctx: Context, node: Node) -> None:
    """As conv, with the weight's first two axes exchanged."""
    x, w = node.inputs[0], node.inputs[1]
    groups = node.int("groups", 1)
    rank = len(ctx.shape(w))
    source = channels(ctx, x)
    _freeze_kernel(ctx, w)
    if groups == 1 and node.outputs[0] not in ctx.choices:
        _dense(ctx, node, source, ctx.along(w, 0))
        filters = ctx.along(w, 1)
        ctx.out(filters)
    else:
        filters = _grouped_transpose(ctx, node, source, groups)
    result = spread(filters.ids.reshape(-1), 1, rank) if filters is not None else None
    _bias(ctx, node, result)
    ctx.set(node.outputs[0], [*batch(ctx, x), result])


def _freeze_kernel(ctx: Context, w: str) -> None:
    for layer in ctx.layers.get(w, ()):
        if layer.axis > 1:
            ctx.freeze(layer, "an axis of the kernel")


def _bias(ctx: Context, node: Node, filters: Layer | None) -> None:
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = ctx.along(node.inputs[2], 0)
        if bias is not None and filters is not None:
            ctx.equate(bias.ids, filters.ids.reshape(-1))
        elif bias is not None:
            ctx.freeze(bias, f"'{node.title}' has fixed results")


def _dense(ctx: Context, node: Node, source: Layer | None, columns: Layer | None) -> None:
    """Every filter reads every channel."""
    if columns is not None:
        ctx.labels.mark(columns.ids, IN)
    if source is None:
        ctx.freeze(columns, ctx.why_fixed(node.inputs[0]))
    elif columns is None:
        ctx.freeze(source, ctx.why_fixed(node.inputs[1]))
    else:
        ctx.equate(source.ids, ctx.tie(columns, columns.rows).ids.reshape(-1))
        ctx.contracted(ctx.along(node.inputs[0], 1), 0)


def _grouped(
    ctx: Context, node: Node, source: Layer | None, filters: Layer | None, groups: int
) -> None:
    """Whole groups live and die, or every group loses equally many: what leaves more widths."""
    w = node.inputs[1]
    columns = ctx.shape(w)[1]
    per_group = ctx.shape(w)[0] // groups
    if filters is None:
        ctx.freeze(source, ctx.why_fixed(w))
        return
    lines = filters.ids.reshape(groups, per_group)
    if _whole(ctx, node, lines, (groups, per_group, columns)):
        _whole_groups(ctx, node, source, lines, groups)
        return
    ctx.partition(lines)
    ctx.out(filters)
    inner = _inner(ctx, w, groups, per_group)
    if inner is None and columns == 1:
        ctx.freeze(source, f"every group of '{node.title}' keeps its channel")
        return
    if inner is not None:
        ctx.labels.mark(inner.ids, IN)
    if source is None:
        ctx.freeze(inner, ctx.why_fixed(node.inputs[0]))
        return
    wide = source.ids.reshape(groups, columns)
    ctx.partition(wide)
    if inner is not None:
        rows = inner.ids.reshape(inner.ids.shape[0], columns)
        ctx.equate(rows, np.repeat(wide, per_group, axis=0) if rows.shape[0] > 1 else wide)
    ctx.contracted(ctx.along(node.inputs[0], 1), 0)


def _whole(ctx: Context, node: Node, lines: Ids, sizes: tuple[int, int, int]) -> bool:
    """Whether whole groups are narrowed, as depthwise channels are wherever they may be."""
    groups, per_group, columns = sizes
    ctx.splits[node.outputs[0]] = (lines, (groups, max(per_group, columns)))
    return ctx.choose(node.outputs[0], (groups, max(sizes[1:]) if columns > 1 else 0)) == 0


def _whole_groups(ctx: Context, node: Node, source: Layer | None, lines: Ids, groups: int) -> None:
    """One label a group on both sides."""
    ctx.equate(lines, lines[:, :1])
    if source is None:
        ctx.out(Layer(lines, 1))
        ctx.freeze(Layer(lines, 1), ctx.why_fixed(node.inputs[0]))
        return
    ctx.equate(source.ids.reshape(groups, -1), lines[:, :1])


def _inner(ctx: Context, w: str, groups: int, repeat: int) -> Layer | None:
    """The weight's second axis: for a parameter its own labels in every group."""
    shape = ctx.shape(w)
    known = any(layer.axis == 1 for layer in ctx.layers.get(w, ()))
    if not ctx.is_param(w) or known or shape[1] == 1:
        return ctx.along(w, 1)
    ids = ctx.labels.fresh(w, 1, (groups, shape[1]))
    full = np.repeat(ids, repeat, axis=0).reshape(shape[:2] + (1,) * (len(shape) - 2))
    return ctx.bind(w, Layer(full, 1))


def _grouped_transpose(ctx: Context, node: Node, source: Layer | None, groups: int) -> Layer | None:
    """Whole groups: the weight's first axis and the result lose them together."""
    w = node.inputs[1]
    rows, per_group = ctx.along(w, 0), ctx.shape(w)[1]
    ctx.freeze(next((x for x in ctx.layers.get(w, ()) if x.axis == 1), None), "grouped")
    if rows is None:
        ctx.freeze(source, ctx.why_fixed(w))
        return None
    ctx.choices[node.outputs[0]] = 0
    lines = rows.ids.reshape(groups, -1)
    _whole_groups(ctx, node, source, lines, groups)
    return Layer(np.repeat(lines[:, 0], per_group), 0)
