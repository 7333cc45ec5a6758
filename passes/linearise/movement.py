"""Operations that only move elements; gradients move back along the same indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from graphprune.ir.shapes import ranges
from graphprune.passes.linearise.flow import Arrays, Linear, Rule, Step, rule
from graphprune.terms import Floats, add_up

Array = NDArray[np.generic]
# Arranges operands; the number fills what has no origin.
Move = Callable[[Step, Sequence[Array], int], Array | Sequence[Array]]


def moves(*families: str) -> Callable[[Move], Rule]:
    """Registers the rule of op families that only move elements.

    Args:
        *families: Names of :data:`graphprune.ir.ops.OPS`.
    """

    def register(move: Move) -> Rule:
        return rule(*families)(lambda step: _moved(step, move))

    return register


def _moved(step: Step, move: Move) -> Linear:
    contents = [
        np.zeros(shape) if operand is None else operand
        for operand, shape in zip(step.operands, step.inputs, strict=True)
    ]

    def pull(given: Sequence[Floats]) -> Arrays:
        places, count = [], 0
        for array in contents:
            places.append(np.arange(count, count + array.size).reshape(array.shape))
            count += array.size
        moved = np.concatenate([a.ravel() for a in _several(move(step, places, -1))])
        gradient = np.concatenate([g.ravel() for g in given])
        known = moved >= 0
        total = add_up(gradient[known], moved[known].astype(np.int64), count)
        return [
            None if operand is None else total[place]
            for operand, place in zip(step.operands, places, strict=True)
        ]

    results = [np.asarray(a, dtype=np.float64) for a in _several(move(step, contents, 0))]
    return Linear(results, pull)


def _several(found: Array | Sequence[Array]) -> Sequence[Array]:
    return [found] if isinstance(found, np.ndarray) else found


@moves("reshape")
def reshape(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """The same order."""
    return operands[0].reshape(step.shapes[0])


@moves("transpose")
def transpose(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Permuted axes."""
    return operands[0].transpose(step.node.ints("perm"))


@moves("slice")
def slice_(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Regular sub-ranges."""
    return operands[0][ranges(step.node, operands[0].shape)]


@moves("split")
def split(step: Step, operands: Sequence[Array], fill: int) -> Sequence[Array]:
    """Consecutive pieces; unread ones have no name."""
    bounds = np.cumsum(step.node.ints("sizes"))[:-1]
    pieces = np.split(operands[0], bounds, axis=step.node.int("axis"))
    return [piece for piece, name in zip(pieces, step.node.outputs, strict=True) if name]


@moves("concat")
def concat(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """End to end."""
    return np.concatenate(operands, axis=step.node.int("axis"))


@moves("expand")
def expand(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Broadcast."""
    return np.broadcast_to(operands[0], step.shapes[0])


@moves("tile")
def tile(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Repeated."""
    return np.tile(operands[0], step.node.ints("repeats"))


@moves("shuffle")
def shuffle(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """A permutation of one axis."""
    return np.take(operands[0], step.node.ints("perm"), axis=step.node.int("axis"))


@moves("depth_to_space")
def depth_to_space(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Blocks of channels become pixels."""
    n, c, h, w = operands[0].shape
    r = step.node.int("block")
    if step.node.attrs["channel_first"]:
        blocks = operands[0].reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
    else:
        blocks = operands[0].reshape(n, r, r, c // r**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(step.shapes[0])


@moves("space_to_depth")
def space_to_depth(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Pixels become blocks of channels."""
    n, c, h, w = operands[0].shape
    r = step.node.int("block")
    blocks = operands[0].reshape(n, c, h // r, r, w // r, r).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(step.shapes[0])


@moves("pad")
def pad(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Constant borders carry nothing, others copy; negative ones crop."""
    x, pads = operands[0], step.node.ints("pads")
    sides = list(zip(pads, pads[x.ndim :], strict=False))
    cut = tuple(slice(max(0, -b), n - max(0, -e)) for n, (b, e) in zip(x.shape, sides, strict=True))
    around = [(max(0, b), max(0, e)) for b, e in sides]
    mode = {"constant": "constant", "reflect": "reflect", "wrap": "wrap", "circular": "wrap"}
    how = mode.get(str(step.node.attrs.get("mode", "constant")), "edge")
    if how == "constant":
        return np.pad(x[cut], around, constant_values=fill)
    return np.pad(x[cut], around, mode=how)  # type: ignore[call-overload,no-any-return]


@moves("scatter")
def scatter(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """A block replaced."""
    result = operands[0].copy()
    starts = zip(step.node.ints("starts"), operands[1].shape, strict=True)
    result[tuple(slice(start, start + n) for start, n in starts)] = operands[1]
    return result


@moves("resize")
def resize(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """The nearest element, whatever the model interpolates by."""
    x = operands[0]
    for axis, (old, new) in enumerate(zip(x.shape, step.shapes[0], strict=True)):
        x = x if old == new else np.take(x, np.arange(new) * old // max(1, new), axis=axis)
    return x


@moves("gather")
def gather(step: Step, operands: Sequence[Array], fill: int) -> Array:
    """Constant indices along one axis."""
    index = step.constants[1]
    if index is None:
        raise step.unsupported("its indices are not known")
    return np.take(operands[0], index.astype(np.int64), axis=step.node.int("axis"))
