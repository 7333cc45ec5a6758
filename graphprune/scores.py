"""Scores and Widths: what flows from score to allocate to select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData
from graphprune.groups import Coupling, Ids


@dataclass(frozen=True, eq=False)
class Scores:
    """How important every unit is; larger is more important.

    Attributes:
        values: For every group by name, float64 of shape ``(rows, width)``.
        criterion: What the numbers measure.
    """

    values: Mapping[str, NDArray[np.float64]]
    criterion: str = ""

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be ranked.

        Raises:
            BadData: A score is NaN or infinite.
        """
        for name, rows in self.values.items():
            if not np.all(np.isfinite(rows)):
                raise BadData(
                    f"criterion '{self.criterion}' gives scores that are not finite",
                    where=f"group {name}",
                    why="the weights it reads hold NaN, infinities or numbers too large",
                )

    def __getitem__(self, group: str) -> NDArray[np.float64]:
        """The scores of one group, ``(rows, width)``."""
        return self.values[group]


@dataclass(frozen=True, eq=False)
class Widths:
    """How many units every group keeps.

    Attributes:
        kept: Units kept in each row, by group name.
        notes: Sentences on what was not given as asked, and why.
    """

    kept: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def vector(self, coupling: Coupling) -> Ids:
        """The widths in the coupling's order of groups, ``(groups,)``."""
        return np.array([self.kept[group.name] for group in coupling], dtype=np.int64)
