"""Pieces: no plan may empty a tensor.

A plan keeps at least one unit of every row of every group. A split, a slice or a gather may give a
tensor that holds none of a group's rows whole, so that a plan could remove all it has; such
groups are divided until every tensor holds a whole row, or something that is never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from graphprune.groups import Ids, Layer


def lines(layers: Mapping[str, tuple[Layer, ...]], units: Ids | None = None) -> list[Ids]:
    """Different sets of removable units that lie along the narrowed axis of a value.

    Rows of one value lose equally many, so one that cannot be emptied speaks for all.

    Args:
        layers: Layers in labels, or in units.
        units: The unit, or class, of every label; 0 is never removed. None for layers in units.
    """
    objects = {id(layer): layer.ids for several in layers.values() for layer in several}
    found = _distinct(ids.reshape(-1) for ids in objects.values())
    distinct = found if units is None else _distinct(units[ids] for ids in found)
    mapped = (_ascending(line) for line in distinct)
    return [line for line in mapped if line.size and line[0] > 0]


def _distinct(arrays: Iterable[Ids]) -> list[Ids]:
    return list({array.tobytes(): array for array in arrays}.values())


def _ascending(ids: Ids) -> Ids:
    """Sorted and without repetitions, as most lines are already."""
    return ids if (ids[1:] > ids[:-1]).all() else np.unique(ids)


def ties(families: Sequence[Ids], pieces: Iterable[Ids]) -> Iterator[tuple[Ids, Ids]]:
    """Classes to make equal where a family of rows cannot be divided as a piece divides it.

    Args:
        families: Matrices of classes, one line a row.
        pieces: Classes along the axis of a tensor, ascending.
    """
    rows = _Rows(families)
    for piece in pieces:
        if families and rows.holds(piece) and rows.even(piece) == []:
            family = families[rows.owner[rows.row[piece[0]]]]
            yield family, family[:1]
            return


def divide(matrices: list[Ids], pieces: Iterable[Ids]) -> list[Ids]:
    """Groups, divided so that every piece holds a whole row of one.

    Args:
        matrices: Units of every group, ``(rows, width)``.
        pieces: Units along the axis of a tensor, ascending.
    """
    rows = _Rows(matrices)
    for piece in pieces:
        found = rows.even(piece)
        if found:
            i = min(found, key=lambda at: len(matrices[at]))
            matrix = matrices[i]
            flags = np.isin(matrix, piece)
            parts = [matrix[f].reshape(len(matrix), -1) for f in (flags, ~flags)]
            matrices = [*matrices[:i], *parts, *matrices[i + 1 :]]
            rows = _Rows(matrices)
    return sorted(matrices, key=lambda matrix: int(matrix.min()))


class _Rows:
    """Which row of which matrix every unit lies in.

    Args:
        matrices: Units in rows; no unit lies in two places.
    """

    def __init__(self, matrices: Sequence[Ids]) -> None:
        counts = [matrix.shape[0] for matrix in matrices]
        self.starts = np.cumsum([0, *counts])
        self.owner = np.repeat(np.arange(len(matrices)), counts)
        self.sizes = np.repeat([matrix.shape[1] for matrix in matrices], counts)
        self.row = np.full(1 + max((int(m.max()) for m in matrices), default=0), -1, np.int64)
        for start, matrix in zip(self.starts, matrices, strict=False):
            self.row[matrix] = np.arange(start, start + len(matrix))[:, None]

    def holds(self, piece: Ids) -> bool:
        """Whether all units of a piece lie in rows."""
        return bool(piece[-1] < self.row.size and (self.row[piece] >= 0).all())

    def even(self, piece: Ids) -> list[int] | None:
        """Matrices that the piece divides evenly; None where it holds a whole row of one."""
        inside = np.bincount(self.row[piece], minlength=self.owner.size)
        if (inside == self.sizes).any():
            return None
        found = []
        for i in np.unique(self.owner[inside > 0]).tolist():
            counts = inside[self.starts[i] : self.starts[i + 1]]
            if (counts == counts[0]).all():
                found.append(i)
        return found
