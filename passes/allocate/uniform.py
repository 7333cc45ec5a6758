"""The same fraction of every group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Ids
from graphprune.passes.allocate.fill import grow
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.scores import Widths
from graphprune.terms import Floats

# Halvings of the interval from 0 to 1; widths are far coarser than 2 ** -40.
_HALVINGS = 40


@policy("uniform")
@dataclass(frozen=True)
class Uniform:
    """Every group keeps the same fraction of its width, the largest that meets every bound.

    Widths are rounded down to choices; what that leaves of the tightest bound goes to the groups
    that lost the largest fraction of a choice.
    """

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        problem.require_feasible()
        full = problem.model.widths.astype(np.float64)
        fraction = _largest_fraction(problem)
        asked = fraction * full

        def remainder(widths: Ids) -> Floats:
            wider = (problem.neighbour(i, width, 1) for i, width in enumerate(widths))
            steps = [step - w if step else 1 for step, w in zip(wider, widths, strict=True)]
            return np.asarray((asked - widths) / np.array(steps, dtype=np.float64))

        widths = grow(problem, problem.down(asked), remainder)
        return problem.answer(widths, np.minimum(asked, problem.caps))


def _largest_fraction(problem: Problem) -> float:
    full = problem.model.widths.astype(np.float64)
    if problem.holds(problem.down(full)):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if problem.holds(problem.down(middle * full)):
            low = middle
        else:
            high = middle
    return low
