"""Reductions, pools and resizing."""

from __future__ import annotations

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.passes.couple.context import Context, rule
from graphprune.passes.couple.views import drop_axes

# Sums over masked channels equal sums over the survivors.
_SUMS = {"reduce.sum", "reduce.l1", "reduce.l2", "reduce.sumsquare"}


@rule("reduce")
def reduce(ctx: Context, node: Node) -> None:
    """Sums over channels are contractions, means approximate, others freeze."""
    axes = set(node.ints("axes"))
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        if layer.axis not in axes:
            kept.append(ctx.tie(layer, axes))
        elif node.op in _SUMS:
            ctx.contracted(layer, 0)
        elif node.op == "reduce.mean":
            ctx.approximate(layer, "mean over channels")
            ctx.contracted(layer, 0, mean=True)
        else:
            ctx.freeze(layer, f"{node.op} '{node.title}' runs over these channels")
    if not node.attrs.get("keepdims", True):
        kept = [drop_axes(layer, axes) for layer in kept]
    ctx.set(node.outputs[0], kept)


@rule("pool")
def pool(ctx: Context, node: Node) -> None:
    """Channels pass, windows make other axes uniform."""
    kept: list[Layer] = []
    spatial = range(2, len(ctx.shape(node.inputs[0])))
    for layer in ctx.of(node.inputs[0]):
        if layer.axis > 1:
            ctx.freeze(layer, f"'{node.title}' slides over the axis")
        else:
            kept.append(ctx.tie(layer, spatial))
    for name in node.outputs:
        ctx.set(name, kept)


@rule("resize")
def resize(ctx: Context, node: Node) -> None:
    """Axes that keep their extent pass."""
    old, new = ctx.shape(node.inputs[0]), ctx.shape(node.outputs[0])
    changed = [i for i, n in enumerate(old) if n != new[i]]
    kept: list[Layer] = []
    for layer in ctx.of(node.inputs[0]):
        if layer.axis in changed:
            ctx.freeze(layer, f"'{node.title}' resizes the axis")
        else:
            kept.append(ctx.tie(layer, changed))
    ctx.set(node.outputs[0], kept)
