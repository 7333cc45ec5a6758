"""Labels: one integer for every index of every parameter axis, and the equalities between them.

Label 0 means frozen. Equalities are collected as flat arrays and solved once, as the connected
components of a graph.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Ids

OUT, IN = 1, 2

Roles = NDArray[np.int8]


@dataclass(frozen=True)
class Source:
    """Where a range of labels comes from: an axis of a value."""

    value: str
    axis: int


@dataclass(frozen=True, eq=False)
class Equality:
    """Pairs of labels that an operation makes equal."""

    left: Ids
    right: Ids
    node: int


@dataclass(frozen=True, eq=False)
class Freeze:
    """Labels that an operation forbids to remove, and why."""

    ids: Ids
    node: int
    why: str


class Labels:
    """The label store of one interpretation.

    Args:
        reserved: Labels 1 … ``reserved`` exist already and have no source (replay uses them for
            the units of the original).
    """

    def __init__(self, reserved: int = 0) -> None:
        self.count = reserved + 1
        self.equalities: list[Equality] = []
        self.freezes: list[Freeze] = []
        self._starts: list[int] = []
        self._axes: dict[int, tuple[int, Ids]] = {}
        self._sources: list[Source] = []
        self._roles: list[tuple[Ids, int]] = []

    def fresh(self, value: str, axis: int, shape: tuple[int, ...]) -> Ids:
        """New labels, in an array of the given shape."""
        size = prod(shape)
        ids = np.arange(self.count, self.count + size, dtype=np.int64)
        self._axes[self.count] = (len(self._starts), ids)
        self._starts.append(self.count)
        self._sources.append(Source(value, axis))
        self.count += size
        return ids.reshape(shape)

    def source(self, label: int) -> Source | None:
        """The axis a label was made for; None for 0 and reserved labels."""
        index = bisect_right(self._starts, label) - 1
        return self._sources[index] if label > 0 and index >= 0 else None

    def source_index(self, labels: Ids) -> Ids:
        """Index of each label's source, -1 for 0 and reserved labels."""
        found = np.searchsorted(np.fromiter(self._starts, np.int64), labels, side="right") - 1
        return np.where(labels > 0, found, -1)

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources, in the order of their labels."""
        return tuple(self._sources)

    def equate(self, left: Ids, right: Ids, node: int) -> None:
        """Make labels equal, elementwise with broadcasting."""
        if left is right:
            return
        if left.shape != right.shape:
            left, right = np.broadcast_arrays(left, right)
        differ = left != right
        if not differ.any():
            return
        if differ.all():
            self.equalities.append(Equality(left.reshape(-1), right.reshape(-1), node))
        else:
            self.equalities.append(Equality(left[differ], right[differ], node))

    def freeze(self, ids: Ids, node: int, why: str) -> None:
        """Forbid the removal of labels."""
        found = ids[ids > 0]
        if found.size:
            self.freezes.append(Freeze(found, node, why))

    def mark(self, ids: Ids, role: int) -> None:
        """Note that labels are produced (:data:`OUT`) or contracted (:data:`IN`)."""
        self._roles.append((ids, role))

    def roles(self) -> Roles:
        """The role of every label, 0 for none."""
        roles = np.zeros(self.count, np.int8)
        for ids, role in self._roles:
            roles[ids] = role
        roles[0] = 0
        return roles

    def solve(self) -> Ids:
        """The class of every label; classes are named by their smallest label, 0 is frozen."""
        classes = np.arange(self.count, dtype=np.int64)
        rest = self._equate_axes(classes)
        zeros = [np.zeros_like(f.ids) for f in self.freezes]
        left = [e.left for e in rest] + [f.ids for f in self.freezes]
        if not left:
            return classes
        one, other = np.concatenate(left), np.concatenate([e.right for e in rest] + zeros)
        return _smallest(self.count, classes[one], classes[other])[classes]

    def _equate_axes(self, classes: Ids) -> list[Equality]:
        """Solve the equalities between whole axes: most are, and axes are fewer than labels.

        Args:
            classes: Every label's own number; becomes its class.

        Returns:
            The other equalities.
        """
        pairs: list[tuple[int, int]] = []
        rest: list[Equality] = []
        for equality in self.equalities:
            one, other = self._axis(equality.left), self._axis(equality.right)
            if one >= 0 and other >= 0:
                pairs.append((one, other))
            else:
                rest.append(equality)
        if pairs:
            starts = np.array(self._starts, np.int64)
            root = _smallest(starts.size, *np.array(pairs, np.int64).T)
            for axis in np.flatnonzero(starts != starts[root]).tolist():
                start, first = self._starts[axis], self._starts[root[axis]]
                size = self._axes[start][1].size
                classes[start : start + size] = self._axes[first][1]
        return rest

    def _axis(self, ids: Ids) -> int:
        """Which call of :meth:`fresh` gave exactly these labels; -1 for none."""
        axis, known = self._axes.get(int(ids[0]), (-1, ids))
        return axis if known.size == ids.size and (known == ids).all() else -1


def _smallest(count: int, left: Ids, right: Ids) -> Ids:
    """The smallest number connected with each of 0 … ``count - 1``.

    Hooking and pointer jumping: Shiloach and Vishkin, "An O(log n) parallel connectivity
    algorithm", Journal of Algorithms 3, 1982. Every round connects each root with its smallest
    neighbour, then lets all numbers point to their root.

    Args:
        count: How many numbers there are.
        left: One number of each connected pair.
        right: The other.
    """
    root = np.arange(count, dtype=np.int64)
    while left.size:
        np.minimum.at(root, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(further := root[root], root):
            root = further
        left, right = root[left], root[right]
        apart = left != right
        left, right = left[apart], right[apart]
    return root
