"""Convolutions and pools: one shifted picture for every element of the filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from graphprune.ir import Node
from graphprune.ir.graph import Shape
from graphprune.passes.linearise.flow import Arrays, Linear, Step, rule
from graphprune.terms import Floats

# An index of the last axes, all of the others before it: NumPy's types know no such tuples.
Index = Any


class _Window:
    """How a filter slides over spatial axes that are padded with zeros."""

    def __init__(self, node: Node, kernel: Shape, size: Shape, out: Shape) -> None:
        n = len(kernel)
        self.kernel, self.out = kernel, out
        self.strides = node.ints("strides") or (1,) * n
        self.dilations = node.ints("dilations") or (1,) * n
        pads = node.ints("pads") or (0,) * (2 * n)
        # Negative pads crop; a last window may reach beyond the padding where it rounds up.
        self.begin = tuple(max(0, p) for p in pads[:n])
        self.crop: Index = (..., *(slice(max(0, -p), None) for p in pads[:n]))
        needed = zip(out, self.strides, self.dilations, kernel, strict=True)
        reach = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in needed]
        held = zip(size, pads, self.begin, reach, strict=False)
        self.padded = tuple(max(r, s + min(0, p) + b) for s, p, b, r in held)

    def taps(self) -> Iterator[tuple[Index, Index]]:
        """Where the padded picture meets each filter element, and that element's index."""
        for tap in product(*(range(k) for k in self.kernel)):
            places = zip(tap, self.dilations, self.strides, self.out, strict=True)
            starts = ((t * d, s, o) for t, d, s, o in places)
            spans = (slice(b, b + (o - 1) * s + 1, s) for b, s, o in starts)
            yield (..., *spans), (..., *tap)

    def widened(self, x: Floats) -> Floats:
        """With zeros around."""
        lead = x.ndim - len(self.kernel)
        inner = x[self.crop]
        wide = np.zeros((*x.shape[:lead], *self.padded))
        wide[self._inner(inner.shape[lead:])] = inner
        return wide

    def narrowed(self, wide: Floats, size: Shape) -> Floats:
        """The adjoint of :meth:`widened`."""
        x = np.zeros((*wide.shape[: -len(self.kernel)], *size))
        cut = [len(range(*c.indices(n))) for c, n in zip(self.crop[1:], size, strict=True)]
        x[self.crop] = wide[self._inner(cut)]
        return x

    def _inner(self, sizes: Sequence[int]) -> Index:
        return (..., *(slice(b, b + n) for b, n in zip(self.begin, sizes, strict=True)))


def _grouped(array: Floats, groups: int, axis: int) -> Floats:
    """One axis as (groups, rest)."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


class _Conv:
    """A convolution as a sum of matrix products over filter elements."""

    def __init__(self, node: Node, weight: Floats, big: Shape, small: Shape) -> None:
        self.groups = node.int("groups", 1)
        self.weight = _grouped(weight, self.groups, 0)  # (G, O/G, I/G, *kernel)
        self.window = _Window(node, weight.shape[2:], big, small)
        self.big, self.small = big, small

    def _lines(self, picture: Floats) -> Floats:
        """(N, G, C/G, positions)."""
        split = _grouped(picture, self.groups, 1)
        return split.reshape(*split.shape[:3], -1)

    def _taken(self, tap: Index) -> Floats:
        """One element of every filter, (G, O/G, I/G), laid out for fast products."""
        return np.ascontiguousarray(self.weight[tap])

    def gather(self, x: Floats) -> Floats:
        """From the large picture to the small one."""
        wide = self.window.widened(x)
        parts = (self._taken(tap) @ self._lines(wide[place]) for place, tap in self.window.taps())
        return np.asarray(sum(parts)).reshape(len(x), -1, *self.small)

    def scatter(self, y: Floats) -> Floats:
        """From the small picture to the large one: the adjoint of :meth:`gather`."""
        channels, lines = self.weight.shape[2] * self.groups, self._lines(y)
        wide = np.zeros((len(y), channels, *self.window.padded))
        for place, tap in self.window.taps():
            part = self._taken(tap).swapaxes(1, 2) @ lines
            wide[place] += part.reshape(len(y), channels, *self.small)
        return self.window.narrowed(wide, self.big)

    def correlate(self, x: Floats, y: Floats) -> Floats:
        """What every filter element multiplies in the large picture, weighted by the small one."""
        wide, lines = self.window.widened(x), self._lines(y)
        parts = [
            (lines @ self._lines(wide[place]).swapaxes(2, 3)).sum(axis=0)
            for place, _ in self.window.taps()
        ]
        found = np.stack(parts, axis=-1)
        return found.reshape(-1, found.shape[2], *self.window.kernel)


@rule("conv")
def conv(step: Step) -> Linear:
    """The bias is left out."""
    x, w = step.first, step.operand(1)
    layer = _Conv(step.node, w, x.shape[2:], step.shapes[0][2:])

    def pull(given: Sequence[Floats]) -> Arrays:
        rest = [None] * (len(step.operands) - 2)
        return [layer.scatter(given[0]), layer.correlate(x, given[0]), *rest]

    return Linear([layer.gather(x)], pull)


@rule("conv_transpose")
def conv_transpose(step: Step) -> Linear:
    """The adjoint of a convolution from its result to its input."""
    x, w = step.first, step.operand(1)
    layer = _Conv(step.node, w, step.shapes[0][2:], x.shape[2:])

    def pull(given: Sequence[Floats]) -> Arrays:
        rest = [None] * (len(step.operands) - 2)
        return [layer.gather(given[0]), layer.correlate(given[0], x), *rest]

    return Linear([layer.scatter(x)], pull)


@rule("pool")
def pool(step: Step) -> Linear:
    """The mean of every window; padding counts as zeros."""
    x, size = step.first, step.first.shape[2:]
    kernel = step.node.ints("kernel")
    if step.node.attrs.get("everything", False) or not kernel:
        kernel = size
    window, count = _Window(step.node, kernel, size, step.shapes[0][2:]), prod(kernel)
    wide = window.widened(x)
    mean = sum((wide[place] for place, _ in window.taps()), np.zeros(())) / count

    def pull(given: Sequence[Floats]) -> Arrays:
        back = np.zeros_like(wide)
        for place, _ in window.taps():
            back[place] += given[0] / count
        return [window.narrowed(back, size), *[None] * (len(step.operands) - 1)]

    # A second result holds positions, not contents.
    return Linear([mean, *(np.zeros(s) for s in step.shapes[1:])], pull)
