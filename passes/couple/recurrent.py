"""Recurrent cells: the gate blocks of a hidden unit live and die together."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.labels import IN
from graphprune.passes.couple.context import Context, rule


@rule("lstm", "gru", "rnn")
def recurrent(ctx: Context, node: Node) -> None:
    """One label a hidden unit and direction, on every gate of W, R, B and P."""
    x, w, r = node.inputs[:3]
    directions, gated, size = ctx.shape(r)
    if not (ctx.constant(w) and ctx.constant(r)):
        for name in filter(None, node.inputs):
            ctx.freeze_all(name, f"'{node.title}' computes its weights")
        for layer in (*ctx.of(w), *ctx.of(r)):
            ctx.out(layer)
        return
    hidden = ctx.along(r, 2)
    if directions > 1 and ctx.is_param(r) and hidden is not None and hidden.ids.shape[0] == 1:
        ctx.layers.pop(r)
        ids = ctx.labels.fresh(r, 2, (directions, 1, size))
        hidden = ctx.bind(r, Layer(ids, 2))
    if hidden is None:
        return
    if hidden.rows:
        ctx.partition(hidden.rectangle())
    _gates(ctx, node, hidden, gated // size)
    ctx.labels.mark(hidden.ids, IN)
    ctx.contracted(hidden, 2)
    _input(ctx, node, x, w)
    _states(ctx, node, hidden)


def _gates(ctx: Context, node: Node, hidden: Layer, gates: int) -> None:
    """The gate axis of the weights, biases and peepholes repeats the hidden units."""
    line = hidden.ids.reshape(hidden.ids.shape[0], -1)
    for operand, axis, repeats in ((1, 1, gates), (2, 1, gates), (3, 1, 2 * gates), (7, 1, 3)):
        name = node.inputs[operand] if operand < len(node.inputs) else ""
        if not name:
            continue
        rank = len(ctx.shape(name))
        ids = np.tile(line, (1, repeats)).reshape((line.shape[0], -1) + (1,) * (rank - 2))
        if ctx.is_param(name):
            own = Layer(ctx.labels.fresh(name, axis, ids.shape), axis)
            layer: Layer | None = ctx.bind(name, own)
        else:
            layer = ctx.along(name, axis)
        if layer is None:
            ctx.freeze(hidden, ctx.why_fixed(name))
            continue
        ctx.equate(layer.ids, ids)
        if operand < 3:
            ctx.out(layer)


def _input(ctx: Context, node: Node, x: str, w: str) -> None:
    """Features of the sequence meet the columns of W."""
    for layer in ctx.of(x):
        if layer.axis != 2:
            ctx.freeze(layer, f"'{node.title}' runs along the axis")
    features, columns = ctx.along(x, 2), ctx.along(w, 2)
    if columns is not None:
        ctx.labels.mark(columns.ids, IN)
    if columns is None:
        ctx.freeze(features, ctx.why_fixed(w))
    elif features is None:
        ctx.freeze(columns, ctx.why_fixed(x))
    else:
        line = ctx.tie(features, features.rows)
        ctx.equate(line.ids.reshape(1, 1, -1), columns.ids)
        ctx.contracted(features, 0)


def _states(ctx: Context, node: Node, hidden: Layer) -> None:
    """Initial states and results have the hidden units' labels along their last axis."""
    for operand in (5, 6):
        name = node.inputs[operand] if operand < len(node.inputs) else ""
        if not name:
            continue
        layers = ctx.of(name)
        state = next((layer for layer in layers if layer.axis == 2), None)
        for layer in layers:
            if layer.axis != 2:
                ctx.freeze(layer, f"'{node.title}' runs along the axis")
        if state is None:
            ctx.freeze(hidden, ctx.why_fixed(name))
        else:
            ctx.equate(_state(node, hidden), state.ids)
    if node.outputs[0]:
        ids = hidden.ids.reshape(-1, hidden.ids.shape[2])
        shape = (1, 1, *ids.shape) if node.int("layout") else (1, ids.shape[0], 1, ids.shape[1])
        ctx.set(node.outputs[0], [Layer(ids.reshape(shape), 3)])
    for name in node.outputs[1:]:
        ctx.set(name, [Layer(_state(node, hidden), 2)])


def _state(node: Node, hidden: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Labels of a state: (directions, batch, hidden), or batch first."""
    ids = hidden.ids
    return ids.transpose(1, 0, 2) if node.int("layout") else ids
