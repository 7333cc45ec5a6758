"""Matrix products: the contracted index of both operands is equal, free indices pass."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.labels import IN
from graphprune.passes.couple.context import Context, rule


class _Side:
    """One operand of a contraction, its layers laid out by letter."""

    def __init__(self, ctx: Context, node: Node, index: int, word: str, order: str) -> None:
        self.name, self.index, self.word = node.inputs[index], index, word
        shape = ctx.shape(self.name)
        self.size = {letter: shape[i] for i, letter in enumerate(word)}
        self.layers: dict[str, Layer] = {}
        for layer in ctx.of(self.name):
            permuted = layer.ids.transpose([word.index(c) for c in order if c in word])
            extents = iter(permuted.shape)
            full = [next(extents) if c in word else 1 for c in order]
            letter = word[layer.axis]
            self.layers[letter] = Layer(permuted.reshape(full), order.index(letter))

    def real(self, letter: str) -> bool:
        """Whether the operand has more than one element along a letter."""
        return self.size.get(letter, 1) > 1


@rule("contract")
def contract(ctx: Context, node: Node) -> None:
    """Every letter in turn: contracted, batch, or free."""
    a, b, out = letters(node)
    order = "".join(sorted(set(a + b)))
    left, right = _Side(ctx, node, 0, a, order), _Side(ctx, node, 1, b, order)
    result: list[Layer] = []
    for letter in order:
        sides = [s for s in (left, right) if s.real(letter) or letter in s.layers]
        layers = [s.layers[letter] for s in sides if letter in s.layers]
        if not layers:
            continue
        if len(layers) < len(sides):
            lacking = next(s for s in sides if letter not in s.layers)
            for layer in layers:
                ctx.freeze(layer, ctx.why_fixed(lacking.name))
            _mark_contracted(ctx, sides, letter, out)
        elif letter not in out:
            _contracted(ctx, layers, sides, letter, order)
        else:
            result.append(_passed(ctx, layers, out, order))
    ctx.set(node.outputs[0], [_lower(layer, order, out) for layer in result])
    _mark_free(ctx, left, right, out)


def _contracted(
    ctx: Context, layers: list[Layer], sides: list[_Side], letter: str, order: str
) -> None:
    """Equal on both sides; rows only one side has are made uniform."""
    shared = set(sides[0].word) & set(sides[-1].word)
    tied = [ctx.tie(x, [r for r in x.rows if order[r] not in shared]) for x in layers]
    ctx.equate(tied[0].ids, tied[-1].ids)
    native = [ctx.along(side.name, side.word.index(letter)) for side in sides]
    _mark_contracted(ctx, sides, letter, "")
    # One masked operand is enough; an activation is the smaller one.
    chosen = min(range(len(sides)), key=lambda i: ctx.constant(sides[i].name))
    ctx.contracted(native[chosen], sides[chosen].index)


def _mark_contracted(ctx: Context, sides: list[_Side], letter: str, out: str) -> None:
    """A constant operand's summed letters are what a linear layer reads."""
    for side in sides:
        if letter in side.layers and letter not in out and ctx.constant(side.name):
            ctx.labels.mark(side.layers[letter].ids, IN)


def _passed(ctx: Context, layers: list[Layer], out: str, order: str) -> Layer:
    """A batch or free letter: equal where both sides have it, uniform along what is summed."""
    first, last = layers[0], layers[-1]
    ctx.equate(first.ids, last.ids)
    simplest = min(first, last, key=lambda layer: len(layer.rows))
    return ctx.tie(simplest, [r for r in simplest.rows if order[r] not in out])


def _lower(layer: Layer, order: str, out: str) -> Layer:
    """From letter order to the result's axes."""
    present = [order.index(c) for c in out]
    summed = tuple(i for i in range(len(order)) if i not in present)
    ids = np.squeeze(
        layer.ids.transpose(present + list(summed)), tuple(range(len(out), len(order)))
    )
    return Layer(ids, out.index(order[layer.axis]))


def _mark_free(ctx: Context, left: _Side, right: _Side, out: str) -> None:
    """A constant operand's free letters are what a linear layer produces."""
    for side, other in ((left, right), (right, left)):
        for layer in ctx.layers.get(side.name, ()):
            letter = side.word[layer.axis]
            if letter in out and letter not in other.word and ctx.constant(side.name):
                ctx.out(layer)
