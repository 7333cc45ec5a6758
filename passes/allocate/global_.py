"""All groups compete for the budget by their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from graphprune.errors import BadData
from graphprune.groups import Ids
from graphprune.passes.allocate.fill import grow
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.scores import Widths
from graphprune.terms import Floats

_SCALES: Mapping[str, Callable[[Floats], float]] = MappingProxyType(
    {"mean": np.mean, "max": np.max, "sum": np.sum, "none": lambda magnitudes: 1.0}
)


@policy("global")
@dataclass(frozen=True)
class Global:
    """One threshold for all groups: units that score less are removed.

    Scores are divided by their group's mean magnitude first, so that groups of different fan-in
    compete on equal terms. Rows of a group are ranked apart and lose their worst units together.

    Attributes:
        min_keep: Every group keeps at least this fraction of its width, and at least one unit.
        normalise: By what of their group's magnitudes scores are divided: ``mean``, ``max`` or
            ``sum``; ``none`` for criteria whose scores mean the same everywhere.
    """

    min_keep: float = 0.05
    normalise: Literal["mean", "max", "sum", "none"] = "mean"

    def __post_init__(self) -> None:
        """Refuses options out of range.

        Raises:
            BadData: ``min_keep`` is not from 0 to 1, or there is no such ``normalise``.
        """
        if not 0 <= self.min_keep <= 1:
            raise BadData(f"min_keep is {self.min_keep}", fix="give a fraction from 0 to 1")
        if self.normalise not in _SCALES:
            raise BadData(
                f"normalise is '{self.normalise}'", fix=f"choose one of: {', '.join(_SCALES)}"
            )

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        problem = problem.at_least(self.min_keep)
        problem.require_feasible()
        ranks = problem.rank_scores(_SCALES[self.normalise])
        counts = _counts(problem, ranks)

        def gain(widths: Ids) -> Floats:
            wider = [problem.neighbour(i, width, 1) for i, width in enumerate(widths)]
            return np.array(
                [
                    rank[width:step].mean() if step else -np.inf
                    for rank, width, step in zip(ranks, widths, wider, strict=True)
                ]
            )

        widths = grow(problem, problem.down(counts), gain)
        floor = np.ceil(self.min_keep * problem.model.widths)
        return problem.answer(widths, np.minimum(np.maximum(counts, floor), problem.caps))


def _counts(problem: Problem, ranks: tuple[Floats, ...]) -> Floats:
    """Units of every group above the lowest threshold at which every bound holds."""
    thresholds = np.unique(np.concatenate([*ranks, [np.inf]]))

    def above(threshold: float) -> Floats:
        counts = [np.count_nonzero(rank >= threshold) for rank in ranks]
        return np.array(counts, dtype=np.float64)

    low, high = 0, len(thresholds) - 1
    while low < high:
        middle = (low + high) // 2
        if problem.holds(problem.down(above(thresholds[middle]))):
            high = middle
        else:
            low = middle + 1
    return above(thresholds[low])
