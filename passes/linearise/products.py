"""Matrix products: with weights, or attention weights with values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphprune.ir.graph import Shape
from graphprune.ir.shapes import letters
from graphprune.passes.linearise.flow import Arrays, Linear, Step, rule
from graphprune.terms import Floats


@rule("contract")
def contract(step: Step) -> Linear:
    """Attention weights count as equal shares of what they sum over."""
    words = letters(step.node)
    sides: list[Floats] = []
    for i in range(2):
        sides.append(_shares(step, i, words) if i == step.gate else step.operand(i))
    result = _einsum(words[:2], sides, words[2], step.shapes[0])

    def pull(given: Sequence[Floats]) -> Arrays:
        found: list[Floats | None] = []
        for i in range(2):
            others = [given[0], sides[1 - i]]
            shape = sides[i].shape
            back = _einsum((words[2], words[1 - i]), others, words[i], shape)
            found.append(None if i == step.gate else back)
        return found + [None] * (len(step.operands) - 2)

    return Linear([result], pull)


def _shares(step: Step, i: int, words: tuple[str, str, str]) -> Floats:
    """An operand whose elements are equal and add up to one over what is summed."""
    shape = step.inputs[i]
    summed = [n for n, letter in zip(shape, words[i], strict=True) if letter not in words[2]]
    return np.full(shape, 1 / max(1, int(np.prod(summed))))


def _einsum(words: tuple[str, str], operands: Sequence[Floats], out: str, shape: Shape) -> Floats:
    """A product whose operands may lack letters of the result, or be broadcast along them."""
    operands, names = list(operands), list(words)
    wanted = dict(zip(out, shape, strict=True))
    sizes: dict[str, int] = {}
    for word, array in zip(words, operands, strict=True):
        for letter, n in zip(word, array.shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    for i, (word, array) in enumerate(zip(words, operands, strict=True)):
        operands[i] = np.broadcast_to(array, [sizes[letter] for letter in word])
    for letter in dict.fromkeys(out):
        if letter not in sizes:
            operands.append(np.ones(wanted[letter]))
            names.append(letter)
    result = np.einsum(f"{','.join(names)}->{out}", *operands, optimize=True)
    # What was broadcast in the product takes the sum of its copies' gradients.
    for axis, (letter, n) in enumerate(zip(out, shape, strict=True)):
        if n == 1 and sizes.get(letter, 1) > 1:
            result = result.sum(axis=axis, keepdims=True)
    return np.asarray(result)
