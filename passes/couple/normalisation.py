"""Normalisations: per-channel parameters have the input's labels; statistics may change."""

from __future__ import annotations

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.passes.couple.context import Context, rule
from graphprune.passes.couple.pointwise import operand, unite, vector


@rule("batch_norm")
def batch_norm(ctx: Context, node: Node) -> None:
    """Every channel for itself: exact."""
    rank = len(ctx.shape(node.inputs[0]))
    vectors = [vector(ctx, name, 1, rank) for name in node.inputs[1:] if name]
    ctx.set(node.outputs[0], unite(ctx, [operand(ctx, node.inputs[0], rank), *vectors]))


@rule("instance_norm")
def instance_norm(ctx: Context, node: Node) -> None:
    """Exact along channels; along the axes of the statistics approximate."""
    rank = len(ctx.shape(node.inputs[0]))
    vectors = [vector(ctx, name, 1, rank) for name in node.inputs[1:] if name]
    layers = unite(ctx, [operand(ctx, node.inputs[0], rank), *vectors])
    for layer in layers:
        if layer.axis != 1:
            ctx.approximate(layer, "instance norm")
    ctx.set(node.outputs[0], layers)


@rule("group_norm")
def group_norm(ctx: Context, node: Node) -> None:
    """Whole groups are exact; equally many of every group are approximate."""
    x, groups = node.inputs[0], node.int("groups", 1)
    rank = len(ctx.shape(x))
    vectors = [vector(ctx, name, 1, rank) for name in node.inputs[1:] if name]
    layers = unite(ctx, [operand(ctx, x, rank), *vectors])
    for layer in layers:
        if layer.axis == 1:
            lines = ctx.tie(layer, layer.rows).ids.reshape(groups, -1)
            sizes = (groups, lines.shape[1])
            ctx.splits[node.outputs[0]] = (lines, sizes)
            if ctx.choose(node.outputs[0], sizes) == 0:
                ctx.equate(lines, lines[:, :1])
            else:
                ctx.partition(lines)
                ctx.approximate(layer, "group norm")
        elif layer.axis > 1:
            ctx.approximate(layer, "group norm")
    ctx.set(node.outputs[0], layers)


@rule("layer_norm")
def layer_norm(ctx: Context, node: Node) -> None:
    """Approximate along the axes of the statistics, exact along the others."""
    rank = len(ctx.shape(node.inputs[0]))
    axes = node.ints("axes")
    layers = unite(ctx, [operand(ctx, name, rank) for name in node.inputs if name])
    for layer in layers:
        if layer.axis in axes:
            ctx.approximate(layer, "layer norm")
    ctx.set(node.outputs[0], layers)


@rule("lrn")
def lrn(ctx: Context, node: Node) -> None:
    """Removal brings channels together that were apart: approximate."""
    for layer in ctx.of(node.inputs[0]):
        if layer.axis == 1:
            ctx.approximate(layer, "local response norm")
    ctx.set(node.outputs[0], ctx.of(node.inputs[0]))


@rule("softmax", "scan")
def along_axes(ctx: Context, node: Node) -> None:
    """Every element depends on all along the axes: these freeze, others pass."""
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        if layer.axis in node.ints("axes"):
            ctx.freeze(layer, f"{node.op} '{node.title}' runs along these channels")
        else:
            kept.append(layer)
    ctx.set(node.outputs[0], kept)
