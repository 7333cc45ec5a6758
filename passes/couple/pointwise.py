"""Elementwise ops and everything that behaves like one: operands' labels are equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.ir.graph import Shape
from graphprune.passes.couple.context import Context, rule
from graphprune.passes.couple.views import align


@dataclass(frozen=True, eq=False)
class Operand:
    """An operand laid out in the result's axes.

    Attributes:
        name: Its value.
        shape: Extents in the result's axes.
        layers: Layers in the result's axes.
    """

    name: str
    shape: Shape
    layers: tuple[Layer, ...]

    def has(self, axis: int) -> bool:
        """Whether it has labels along an axis."""
        return any(layer.axis == axis for layer in self.layers)


def operand(ctx: Context, name: str, rank: int) -> Operand:
    """A value that broadcasts, aligned to the right."""
    shape = ctx.shape(name)
    layers = tuple(align(layer, rank) for layer in ctx.of(name))
    return Operand(name, (1,) * (rank - len(shape)) + shape, layers)


def vector(ctx: Context, name: str, axis: int, rank: int) -> Operand:
    """A vector that lies along one axis of the result."""
    layer = ctx.along(name, 0)
    shape = [1] * rank
    shape[axis] = ctx.shape(name)[0]
    if layer is None:
        return Operand(name, tuple(shape), ())
    return Operand(name, tuple(shape), (Layer(layer.ids.reshape(shape), axis),))


def unite(ctx: Context, operands: Sequence[Operand]) -> tuple[Layer, ...]:
    """Equate the labels that meet; what meets an axis without labels is frozen.

    Returns:
        The layers of the result.
    """
    result = []
    for axis in sorted({layer.axis for o in operands for layer in o.layers}):
        present = [layer for o in operands for layer in o.layers if layer.axis == axis]
        lacking = [o for o in operands if o.shape[axis] > 1 and not o.has(axis)]
        if lacking:
            why = ctx.why_fixed(lacking[0].name)
            for layer in present:
                ctx.freeze(layer, why)
            continue
        first = min(present, key=lambda layer: len(layer.rows))
        for layer in present:
            ctx.equate(layer.ids, first.ids)
        result.append(first)
    return tuple(result)


@rule("pointwise")
def pointwise(ctx: Context, node: Node) -> None:
    """Any number of operands that broadcast."""
    rank = len(ctx.shape(node.outputs[0]))
    layers = unite(ctx, [operand(ctx, name, rank) for name in node.inputs if name])
    ctx.set(node.outputs[0], layers)


@rule("quantize", "dequantize")
def quantise(ctx: Context, node: Node) -> None:
    """Scales and zero points along an axis have that axis's labels."""
    x, axis = node.inputs[0], node.int("axis", -1)
    rank = len(ctx.shape(x))
    operands = [operand(ctx, x, rank)]
    if axis >= 0:
        operands += [vector(ctx, name, axis, rank) for name in node.inputs[1:] if name]
    ctx.set(node.outputs[0], unite(ctx, operands))
