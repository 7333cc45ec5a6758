"""Rows that must lose equally many: kept as they are where possible, tied where not.

A partition is a matrix of labels; whatever is removed, every line of it must lose equally many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

from graphprune.groups import Ids


@dataclass(frozen=True, eq=False)
class Resolution:
    """What partitions came to.

    Attributes:
        families: Matrices of classes, one line a row; a class stands in one place only.
        ties: Pairs of label arrays to make equal before looking again; empty when done.
    """

    families: tuple[Ids, ...]
    ties: tuple[tuple[Ids, Ids], ...]


def resolve(partitions: Iterable[Ids], classes: Ids) -> Resolution:
    """Sort partitions into families of rows, or say what has to be tied first.

    Args:
        partitions: Matrices of labels.
        classes: The class of every label.
    """
    matrices: list[Ids] = []
    ties: list[tuple[Ids, Ids]] = []
    found = (classes[labels] for labels in partitions)
    for different in {(m.shape, m.tobytes()): m for m in found}.values():
        for matrix in _demands(different):
            ordered = matrix if _ascends(matrix) else np.sort(matrix, axis=1)
            if (matrix == 0).any() or (ordered[:, 1:] == ordered[:, :-1]).any():
                ties.append((matrix, matrix[:1]))
            else:
                matrices.append(matrix)
    if ties:
        return Resolution((), tuple(ties))
    families: list[Ids] = []
    for component in _components(matrices):
        rows = _finest(_distinct_rows(component))
        times = np.unique(np.concatenate(rows), return_counts=True)[1]
        if times.max() == 1:
            families.append(np.stack(rows))
            continue
        bundles = _bundles(component) if times.max() == times.min() == 2 else None
        ties += bundles if bundles is not None else [(m, m[:1]) for m in component]
    return Resolution(tuple(families), tuple(ties))


def _demands(matrix: Ids) -> Iterator[Ids]:
    """Different columns, apart by how often they stand there, without those that ask nothing.

    A column twice weighs twice: lines lose equally many if columns of every weight do.
    """
    if _ascends(matrix[:1]):
        columns, times = matrix, np.ones(matrix.shape[1], np.int64)
    else:
        columns, times = np.unique(matrix, axis=1, return_counts=True)
    varies = (columns != columns[:1]).any(axis=0)
    for count in np.unique(times[varies]):
        yield columns[:, varies & (times == count)]


def _ascends(matrix: Ids) -> bool:
    """Whether every line strictly ascends."""
    return bool((matrix[:, 1:] > matrix[:, :-1]).all())


def _components(matrices: Sequence[Ids]) -> list[list[Ids]]:
    """Matrices that share a class, directly or through others."""
    if not matrices:
        return []
    owner = np.repeat(np.arange(len(matrices)), [m.size for m in matrices])
    flat = np.concatenate([m.ravel() for m in matrices])
    _, unit = np.unique(flat, return_inverse=True)
    size = len(matrices) + int(unit.max()) + 1
    ones = np.ones(flat.size, np.int8)
    graph = coo_array((ones, (owner, unit + len(matrices))), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    found: dict[int, list[Ids]] = {}
    for matrix, number in zip(matrices, component, strict=False):
        found.setdefault(int(number), []).append(matrix)
    return list(found.values())


def _distinct_rows(component: Sequence[Ids]) -> list[Ids]:
    """Every different set of classes that is a line somewhere."""
    rows = {line.tobytes(): line for matrix in component for line in np.sort(matrix, axis=1)}
    return sorted(rows.values(), key=lambda row: tuple(row[:1]))


def _finest(rows: list[Ids]) -> list[Ids]:
    """Without rows that are made up of other rows, all in equally many parts.

    Packed attention splits an axis twice, into query, key and value and these into heads: heads
    that lose equally many are enough for all three to lose equally many.
    """
    shortest = min(row.size for row in rows)
    small = [row for row in rows if row.size == shortest]
    flat = np.concatenate(small)
    order = np.argsort(flat, kind="stable")
    if (np.diff(flat[order]) == 0).any():
        return rows
    coarse = [row for row in rows if row.size > shortest]
    for row in coarse:
        at = np.searchsorted(flat[order], row)
        if at.max() >= flat.size or (flat[order][at] != row).any():
            return rows
        if np.unique(order[at] // shortest).size * shortest != row.size:
            return rows
    if len({row.size for row in coarse}) > 1:
        return rows
    return small


def _bundles(component: Sequence[Ids]) -> list[tuple[Ids, Ids]] | None:
    """Two families over the same classes: bundles with one class of every line of both.

    The lines are the two sides of a regular bipartite multigraph with the classes as edges; such
    a graph falls apart into perfect matchings (König 1916), and each matching is a bundle.
    """
    sides: list[dict[bytes, Ids]] = [{}, {}]
    for matrix in component:
        keys = {np.sort(line).tobytes(): line for line in matrix}
        side = next((s for s in sides if not s or keys.keys() & s.keys()), None)
        if side is None:
            return None
        side.update(keys)
    left = {int(u): i for i, line in enumerate(sides[0].values()) for u in line}
    right = {int(u): i for i, line in enumerate(sides[1].values()) for u in line}
    n = len(sides[0])
    if n != len(sides[1]) or left.keys() != right.keys():
        return None
    edges: dict[tuple[int, int], list[int]] = defaultdict(list)
    for unit in sorted(left, reverse=True):
        edges[left[unit], right[unit]].append(unit)
    ties = []
    while edges:
        pairs = np.array(list(edges), np.int64)
        adjacency = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        match = maximum_bipartite_matching(adjacency, perm_type="column")
        if (match < 0).any():
            return None
        bundle = [edges[i, int(j)].pop() for i, j in enumerate(match)]
        edges = defaultdict(list, {k: v for k, v in edges.items() if v})
        ties.append((np.array(bundle, np.int64), np.array(bundle[:1], np.int64)))
    return ties
