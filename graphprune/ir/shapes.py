"""Shape rules: the result shapes of one canonical operation.

Those of sliding windows are in :mod:`graphprune.ir.windows`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from graphprune.ir.graph import Node, Shape

Rule = Callable[[Node, Sequence[Shape]], list[Shape]]
RULES: dict[str, Rule] = {}


def infer(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    """Result shapes of a node.

    Args:
        node: The operation; its attributes are concrete.
        shapes: Operand shapes; ``()`` for omitted operands.

    Returns:
        One shape a result.

    Raises:
        ValueError: The operands do not fit together.
    """
    found = RULES.get(node.family)
    if found is None:
        raise ValueError(f"no shape rule for '{node.op}'")
    try:
        results = found(node, shapes)
    except (IndexError, KeyError, ZeroDivisionError) as error:
        raise ValueError(f"'{node.op}' lacks an operand, axis or attribute: {error}") from error
    if any(n < 0 for shape in results for n in shape):
        raise ValueError(f"'{node.op}' would have the shape {[list(r) for r in results]}")
    return results


def rule(*families: str) -> Callable[[Rule], Rule]:
    """Register the shape rule of op families."""

    def register(function: Rule) -> Rule:
        for family in families:
            RULES[family] = function
        return function

    return register


@rule("pointwise")
def _broadcast(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    present = [s for s, name in zip(shapes, node.inputs, strict=True) if name]
    return [tuple(np.broadcast_shapes(*present))]


@rule("lrn", "softmax", "scan", "shuffle")
def _same(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    return [shapes[0]] * len(node.outputs)


@rule("batch_norm", "instance_norm", "group_norm")
def _channel_norm(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    for shape in shapes[1:]:
        if shape != shapes[0][1:2]:
            raise ValueError(f"{shapes[0][1]} channels with a parameter of shape {list(shape)}")
    return [shapes[0]] * len(node.outputs)


@rule("layer_norm")
def _layer_norm(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    for shape, name in zip(shapes[1:], node.inputs[1:], strict=True):
        if name and np.broadcast_shapes(shape, shapes[0]) != shapes[0]:
            raise ValueError(f"{list(shapes[0])} with a parameter of shape {list(shape)}")
    return [shapes[0]] * len(node.outputs)


@rule("quantize", "dequantize")
def _quantise(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    axis = node.int("axis", -1)
    for shape, name in zip(shapes[1:], node.inputs[1:], strict=True):
        if name and prod(shape) != 1 and (axis < 0 or shape != shapes[0][axis : axis + 1]):
            raise ValueError(f"{list(shapes[0])} with a scale of shape {list(shape)}")
    return [shapes[0]] * len(node.outputs)


def letters(node: Node) -> tuple[str, str, str]:
    """The index letters of both operands and of the result of a ``contract`` node."""
    left, _, out = str(node.attrs["equation"]).partition("->")
    a, _, b = left.partition(",")
    return a, b, out


@rule("contract")
def _contract(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    a, b, out = letters(node)
    sizes: dict[str, int] = {}
    for word, shape in ((a, shapes[0]), (b, shapes[1])):
        if len(word) != len(shape):
            raise ValueError(f"'{word}' does not name the axes of {list(shape)}")
        for letter, size in zip(word, shape, strict=True):
            known = sizes.get(letter, 1)
            spreads = letter in out and 1 in (known, size)
            if letter in sizes and known != size and not spreads:
                raise ValueError(f"extents {known} and {size} meet in {node.title}")
            sizes[letter] = size if known == 1 else known
    return [tuple(sizes[letter] for letter in out)]


@rule("reshape", "expand", "resize")
def _to_shape(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    shape = node.ints("shape")
    if node.op == "reshape" and prod(shape) != prod(shapes[0]):
        raise ValueError(f"reshape of {list(shapes[0])} to {list(shape)}")
    if node.op == "expand":
        shape = tuple(np.broadcast_shapes(shape, shapes[0]))
    return [shape]


@rule("transpose")
def _transpose(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    perm = node.ints("perm")
    if sorted(perm) != list(range(len(shapes[0]))):
        raise ValueError(f"{list(perm)} does not permute {len(shapes[0])} axes")
    return [tuple(shapes[0][i] for i in perm)]


def ranges(node: Node, shape: Shape) -> tuple[slice, ...]:
    """The index of a ``slice`` node, one ``slice`` an axis."""
    index = [slice(None)] * len(shape)
    starts, ends, steps = node.ints("starts"), node.ints("ends"), node.ints("steps")
    for axis, start, end, step in zip(node.ints("axes"), starts, ends, steps, strict=True):
        size = shape[axis]
        if step > 0:
            index[axis] = slice(_clamp(start, size, 0, size), _clamp(end, size, 0, size), step)
        else:
            last = _clamp(end, size, -1, size - 1)
            index[axis] = slice(_clamp(start, size, 0, size - 1), None if last < 0 else last, step)
    return tuple(index)


def _clamp(value: int, size: int, low: int, high: int) -> int:
    return min(max(value + size if value < 0 else value, low), high)


@rule("slice")
def _slice(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x = shapes[0]
    return [tuple(len(range(*s.indices(n))) for s, n in zip(ranges(node, x), x, strict=True))]


@rule("gather", "lookup")
def _gather(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, axis = shapes[0], node.int("axis")
    if not 0 <= axis < len(x):
        raise ValueError(f"axis {axis} of {list(x)}")
    return [(*x[:axis], *shapes[1], *x[axis + 1 :])]


@rule("scatter")
def _scatter(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, updates = shapes
    ends = [start + n for start, n in zip(node.ints("starts"), updates, strict=True)]
    if len(x) != len(ends) or any(end > n for end, n in zip(ends, x, strict=True)):
        raise ValueError(f"a block of {list(updates)} in {list(x)} that ends at {ends}")
    return [x]


@rule("concat")
def _concat(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    axis = node.int("axis")
    for shape in shapes:
        if shape[:axis] + shape[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :]:
            raise ValueError(f"concat of {list(shapes[0])} and {list(shape)} along axis {axis}")
    return [(*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])]


@rule("split")
def _split(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, axis, sizes = shapes[0], node.int("axis"), node.ints("sizes")
    if sum(sizes) != x[axis] or len(sizes) != len(node.outputs) or min(sizes) < 0:
        raise ValueError(f"split of an extent of {x[axis]} into {list(sizes)}")
    return [(*x[:axis], size, *x[axis + 1 :]) for size in sizes]


@rule("tile")
def _tile(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    return [tuple(n * r for n, r in zip(shapes[0], node.ints("repeats"), strict=True))]


@rule("pad")
def _pad(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    pads, n = node.ints("pads"), len(shapes[0])
    if len(pads) != 2 * n:
        raise ValueError(f"{len(pads)} pads for {n} axes")
    return [tuple(size + pads[i] + pads[i + n] for i, size in enumerate(shapes[0]))]


@rule("reduce")
def _reduce(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    axes, keep = set(node.ints("axes")), bool(node.attrs.get("keepdims", True))
    shape = [1 if i in axes else n for i, n in enumerate(shapes[0])]
    return [tuple(n for i, n in enumerate(shape) if keep or i not in axes)]


@rule("depth_to_space")
def _depth_to_space(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    (n, c, h, w), r = shapes[0], node.int("block")
    if c % (r * r):
        raise ValueError(f"{c} channels in blocks of {r} x {r}")
    return [(n, c // (r * r), h * r, w * r)]


@rule("space_to_depth")
def _space_to_depth(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    (n, c, h, w), r = shapes[0], node.int("block")
    if h % r or w % r:
        raise ValueError(f"{h} x {w} pixels in blocks of {r} x {r}")
    return [(n, c * r * r, h // r, w // r)]


@rule("lstm", "gru", "rnn")
def _recurrent(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, r = shapes[0], shapes[2]
    d, h = r[0], r[2]
    if shapes[1] != (d, r[1], x[2]) or r[1] % h:
        raise ValueError(f"{list(x)} with weights {list(shapes[1])} and {list(r)}")
    if node.int("layout"):
        b, t = x[0], x[1]
        full: list[Shape] = [(b, t, d, h), (b, d, h), (b, d, h)]
    else:
        t, b = x[0], x[1]
        full = [(t, d, b, h), (d, b, h), (d, b, h)]
    return full[: len(node.outputs)]
