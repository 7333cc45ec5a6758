"""Ops that only move elements move labels the same way."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Ids, Layer
from graphprune.ir import Node
from graphprune.ir.shapes import ranges
from graphprune.passes.couple import views
from graphprune.passes.couple.context import Context, rule
from graphprune.passes.couple.convolution import channels, spread


@rule("reshape")
def reshape(ctx: Context, node: Node) -> None:
    """Axes merge and split."""
    x, y = node.inputs[0], node.outputs[0]
    kept: list[Layer] = []
    for before, _ in views.mapping(ctx, x, y):
        known = ctx.axis_before(x, before)
        inside = [layer for layer in ctx.of(x) if layer.axis in before]
        inside.sort(key=lambda z: (not z.ids.any(), z.axis != known, -z.ids.size))
        for layer in inside[1:]:
            ctx.freeze(layer, f"'{node.title}' merges it with another channel axis")
        kept += inside[:1]
    ctx.set(y, [views.reshape(ctx, layer, x, y) for layer in kept])


@rule("transpose")
def transpose(ctx: Context, node: Node) -> None:
    """Axes change places."""
    perm = node.ints("perm")
    layers = ctx.of(node.inputs[0])
    ctx.set(node.outputs[0], [Layer(x.ids.transpose(perm), perm.index(x.axis)) for x in layers])


@rule("slice")
def slice_(ctx: Context, node: Node) -> None:
    """Sub-ranges; only a step of one can follow a narrowed axis."""
    index = ranges(node, ctx.shape(node.inputs[0]))
    strided = {a for a, s in zip(node.ints("axes"), node.ints("steps"), strict=True) if s != 1}
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        if layer.axis in strided:
            ctx.freeze(layer, f"'{node.title}' takes every n-th channel")
            continue
        parts = tuple(
            s if n > 1 else slice(None) for s, n in zip(index, layer.ids.shape, strict=True)
        )
        if layer.rows:
            # One start serves all rows: as many must be left before it in each.
            ctx.partition(layer.rectangle()[:, : index[layer.axis].start or 0])
        kept.append(Layer(layer.ids[parts], layer.axis))
    ctx.set(node.outputs[0], kept)


@rule("gather")
def gather(ctx: Context, node: Node) -> None:
    """Constant indices; they may select channels as long as these end up along one axis."""
    index = ctx.graph.values[node.inputs[1]].const
    axis = node.int("axis")
    assert index is not None
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        if layer.axis != axis and layer.ids.shape[axis] == 1:
            kept.append(views.insert_axes(layer, axis, index.ndim))
            continue
        if layer.axis == axis:
            layer = ctx.tie(layer, layer.rows)  # one list of indices serves all rows
        ids: Ids = np.take(layer.ids, index.astype(np.int64), axis=axis)
        places = range(axis, axis + index.ndim)
        known = ctx.axis_before(node.outputs[0], places)
        home = [i for i in places if index.ndim == 1 or views.varies(ids, i)]
        if layer.axis != axis:
            moved = layer.axis + (index.ndim - 1 if layer.axis > axis else 0)
            kept.append(Layer(views.collapse(ids, moved), moved))
        elif len(home) == 1 or known is not None:
            place = home[0] if known is None else known
            kept.append(Layer(views.collapse(ids, place), place))
        else:
            ctx.freeze(layer, f"'{node.title}' picks single channels")
    ctx.set(node.outputs[0], kept)


@rule("lookup")
def lookup(ctx: Context, node: Node) -> None:
    """Computed indices: the table's other axes pass."""
    table, index = node.inputs
    axis, rank = node.int("axis"), len(ctx.shape(node.inputs[1]))
    ctx.freeze_all(index, f"'{node.title}' uses them as indices")
    kept: list[Layer] = []
    for layer in ctx.of(table):
        if layer.axis == axis:
            ctx.freeze(layer, f"'{node.title}' looks rows up by number")
            continue
        kept.append(views.insert_axes(ctx.tie(layer, [axis]), axis, rank))
        if ctx.constant(table):
            ctx.out(layer)
    ctx.set(node.outputs[0], kept)


@rule("concat")
def concat(ctx: Context, node: Node) -> None:
    """Along the axis labels are laid end to end; along others they are equal."""
    axis = node.int("axis")
    narrowed = {layer.axis for name in node.inputs for layer in ctx.of(name)}
    kept: list[Layer] = []
    for other in sorted(narrowed - {axis}):
        found = [ctx.along(name, other) for name in node.inputs]
        layers = [ctx.tie(x, [axis]) for x in found if x is not None]
        lacking = [n for n, x in zip(node.inputs, found, strict=True) if x is None]
        for layer in layers:
            ctx.equate(layer.ids, layers[0].ids)
            if lacking:
                ctx.freeze(layer, ctx.why_fixed(lacking[0]))
        kept += [] if lacking else layers[:1]
    if axis in narrowed:
        kept.append(_end_to_end(ctx, node.inputs, axis))
    ctx.set(node.outputs[0], kept)


def _end_to_end(ctx: Context, names: tuple[str, ...], axis: int) -> Layer:
    """Labels of all operands along the axis; operands without labels are frozen."""
    rank = len(ctx.shape(names[0]))
    parts: list[Ids] = []
    for name in names:
        layer = ctx.along(name, axis)
        extents = [1] * rank
        extents[axis] = ctx.shape(name)[axis]
        parts.append(np.zeros(extents, np.int64) if layer is None else layer.ids)
        if layer is not None and layer.ids.shape[axis] != extents[axis]:
            parts[-1] = np.zeros(extents, np.int64)
    shape = np.broadcast_shapes(*[(*p.shape[:axis], 1, *p.shape[axis + 1 :]) for p in parts])
    full = [np.broadcast_to(p, (*shape[:axis], p.shape[axis], *shape[axis + 1 :])) for p in parts]
    return Layer(np.concatenate(full, axis=axis), axis)


@rule("split")
def split(ctx: Context, node: Node) -> None:
    """Consecutive pieces."""
    axis = node.int("axis")
    bounds = np.cumsum((0, *node.ints("sizes"))).tolist()
    for name, start, end in zip(node.outputs, bounds[:-1], bounds[1:], strict=True):
        kept: list[Layer] = []
        for layer in ctx.of(node.inputs[0]):
            whole = layer.ids.shape[axis] == 1 and layer.axis != axis
            ids = layer.ids if whole else np.take(layer.ids, range(start, end), axis=axis)
            kept.append(Layer(ids, layer.axis))
        ctx.set(name, kept)


@rule("expand")
def expand(ctx: Context, node: Node) -> None:
    """Old axes pass, new ones get labels of their own: their extent may follow others."""
    x, y = node.inputs[0], node.outputs[0]
    rank = len(ctx.shape(y))
    layers = [views.align(layer, rank) for layer in ctx.of(x)]
    old, new = ctx.shape_before(x) or ctx.shape(x), ctx.shape_before(y) or ctx.shape(y)
    old = (1,) * (rank - len(old)) + old
    grown = [i for i, n in enumerate(new) if n > 1 and old[i] == 1]
    for layer in layers:
        if layer.axis in grown:
            ctx.freeze(layer, f"'{node.title}' repeats it")
    layers = [layer for layer in layers if layer.axis not in grown]
    layers += [spread(ctx.labels.fresh(y, i, (ctx.shape(y)[i],)), i, rank) for i in grown]
    ctx.set(y, layers)


@rule("tile")
def tile(ctx: Context, node: Node) -> None:
    """Repetitions have the labels of what they repeat."""
    repeats = node.ints("repeats")
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        counts = [
            r if n > 1 or i == layer.axis else 1
            for i, (r, n) in enumerate(zip(repeats, layer.ids.shape, strict=True))
        ]
        kept.append(Layer(np.tile(layer.ids, counts), layer.axis))
    ctx.set(node.outputs[0], kept)


@rule("pad")
def pad(ctx: Context, node: Node) -> None:
    """Padding gets labels of its own along a narrowed axis; mirrored borders freeze it."""
    pads, rank = node.ints("pads"), len(ctx.shape(node.inputs[0]))
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        before, after = pads[layer.axis], pads[layer.axis + rank]
        edges = [i for i in layer.rows if pads[i] or pads[i + rank]]
        if min(before, after) < 0 or ((before or after) and node.attrs["mode"] != "constant"):
            ctx.freeze(layer, f"'{node.title}' mirrors or crops these channels")
            continue
        layer = ctx.tie(layer, edges)
        shape = list(layer.ids.shape)
        sides = []
        for count in (before, after):
            shape[layer.axis] = count
            side = Layer(ctx.labels.fresh(node.outputs[0], layer.axis, tuple(shape)), layer.axis)
            if side.rows and count:
                ctx.partition(side.rectangle())
            sides.append(side.ids)
        ids = np.concatenate([sides[0], layer.ids, sides[1]], axis=layer.axis)
        kept.append(Layer(ids, layer.axis))
    ctx.set(node.outputs[0], kept)


@rule("depth_to_space")
def depth_to_space(ctx: Context, node: Node) -> None:
    """A block of channels becomes one: it lives or dies as a whole."""
    line, block = channels(ctx, node.inputs[0]), node.int("block") ** 2
    if line is None:
        return
    lines = (
        line.ids.reshape(-1, block)
        if node.attrs["channel_first"]
        else line.ids.reshape(block, -1).T
    )
    ctx.equate(lines, lines[:, :1])
    ctx.set(node.outputs[0], [spread(lines[:, 0], 1, 4)])


@rule("space_to_depth")
def space_to_depth(ctx: Context, node: Node) -> None:
    """A channel becomes a block of channels that live or die together."""
    line = channels(ctx, node.inputs[0])
    if line is not None:
        ctx.set(node.outputs[0], [spread(np.tile(line.ids, node.int("block") ** 2), 1, 4)])


@rule("shuffle")
def shuffle(ctx: Context, node: Node) -> None:
    """A permutation of one axis."""
    axis, perm = node.int("axis"), np.array(node.ints("perm"))
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        layer = ctx.tie(layer, layer.rows) if layer.axis == axis else layer
        ids = np.take(layer.ids, perm, axis=axis) if layer.ids.shape[axis] > 1 else layer.ids
        kept.append(Layer(ids, layer.axis))
    ctx.set(node.outputs[0], kept)


@rule("opaque")
def opaque(ctx: Context, node: Node) -> None:
    """Freezes everything it touches."""
    kind, reason = node.attrs.get("type", "opaque"), node.attrs.get("reason", "no rule")
    for name in node.inputs:
        if ctx.graph.values[name].shape is not None:
            ctx.freeze_all(name, f"{kind} '{node.title}': {reason}")
    for name in node.outputs:
        ctx.fixed[name] = f"result of {kind} '{node.title}': {reason}"
