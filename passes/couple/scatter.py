"""Assignment to a block of a tensor."""

from __future__ import annotations

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.passes.couple.context import Context, rule
from graphprune.passes.couple.pointwise import Operand, operand, unite


@rule("scatter")
def scatter(ctx: Context, node: Node) -> None:
    """What is written has the labels of the block that it replaces."""
    x, updates = node.inputs
    starts, extents = node.ints("starts"), ctx.shape(updates)
    block: list[Layer] = []
    for layer in ctx.of(x):
        if layer.rows:
            # One start serves all rows: as many must be left before it in each.
            ctx.partition(layer.rectangle()[:, : starts[layer.axis]])
        parts = tuple(
            slice(start, start + n) if varies > 1 else slice(None)
            for start, n, varies in zip(starts, extents, layer.ids.shape, strict=True)
        )
        block.append(Layer(layer.ids[parts], layer.axis))
    unite(ctx, [Operand(x, extents, tuple(block)), operand(ctx, updates, len(extents))])
    ctx.set(node.outputs[0], ctx.of(x))
