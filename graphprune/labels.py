"""Labels: one integer for every index of every parameter axis, and the equalities between them.

Label 0 means frozen. Equalities are collected as flat arrays and solved once, as the connected
components of a sparse graph.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphprune.groups import Ids

OUT, IN = 1, 2


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
        self._sources: list[Source] = []
        self._roles: list[tuple[Ids, int]] = []

    def fresh(self, value: str, axis: int, shape: tuple[int, ...]) -> Ids:
        """New labels, in an array of the given shape."""
        size = int(np.prod(shape, dtype=np.int64))
        self._starts.append(self.count)
        self._sources.append(Source(value, axis))
        ids = np.arange(self.count, self.count + size, dtype=np.int64).reshape(shape)
        self.count += size
        return ids

    def source(self, label: int) -> Source | None:
        """The axis a label was made for; None for 0 and reserved labels."""
        index = bisect_right(self._starts, label) - 1
        return self._sources[index] if label > 0 and index >= 0 else None

    def source_index(self, labels: Ids) -> Ids:
        """Index of each label's source, -1 for 0 and reserved labels."""
        found = np.searchsorted(np.array(self._starts, np.int64), labels, side="right") - 1
        return np.where(labels > 0, found, -1)

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources, in the order of their labels."""
        return tuple(self._sources)

    def equate(self, left: Ids, right: Ids, node: int) -> None:
        """Make labels equal, elementwise with broadcasting."""
        a, b = np.broadcast_arrays(left, right)
        differ = a != b
        if differ.any():
            self.equalities.append(Equality(a[differ], b[differ], node))

    def freeze(self, ids: Ids, node: int, why: str) -> None:
        """Forbid the removal of labels."""
        found = ids[ids > 0]
        if found.size:
            self.freezes.append(Freeze(found, node, why))

    def mark(self, ids: Ids, role: int) -> None:
        """Note that labels are produced (:data:`OUT`) or contracted (:data:`IN`)."""
        self._roles.append((ids, role))

    def roles(self) -> Ids:
        """The role of every label, 0 for none."""
        roles = np.zeros(self.count, np.int64)
        for ids, role in self._roles:
            roles[ids] = role
        roles[0] = 0
        return roles

    def solve(self) -> Ids:
        """The class of every label; classes are named by their smallest label, 0 is frozen."""
        zeros = [np.zeros_like(f.ids) for f in self.freezes]
        left = [e.left for e in self.equalities] + [f.ids for f in self.freezes]
        right = [e.right for e in self.equalities] + zeros
        if not left:
            return np.arange(self.count, dtype=np.int64)
        rows, columns = np.concatenate(left), np.concatenate(right)
        ones = np.ones(rows.size, np.int8)
        graph = coo_array((ones, (rows, columns)), shape=(self.count, self.count))
        _, component = connected_components(graph, directed=False)
        smallest = np.full(component.max() + 1, self.count, np.int64)
        np.minimum.at(smallest, component, np.arange(self.count, dtype=np.int64))
        return np.asarray(smallest[component], dtype=np.int64)
