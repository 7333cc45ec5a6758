"""Widths that keep the product of the layer densities largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from graphprune.errors import BadData
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.layers import sized_layers
from graphprune.passes.allocate.precrop_programme import solve_problem
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.allocate.toward import widths_near
from graphprune.passes.allocate.water_filling import precrop
from graphprune.scores import Widths


@policy("precrop")
@dataclass(frozen=True)
class Precrop:
    """Widths that keep the product of the layer densities largest; scores play no part.

    In expectation over weights and masks the accuracy of a network at initialisation goes with
    that product alone.

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549. The
    programme over coupled groups is this package's own.

    Attributes:
        level: ``group`` solves for the widths of coupled groups; ``layer`` for the density of
            every layer on its own, which widths then come as close to as they can.
    """

    level: Literal["group", "layer"] = "group"

    def __post_init__(self) -> None:
        """Refuses a level that is none.

        Raises:
            BadData: ``level`` is neither ``group`` nor ``layer``.
        """
        if self.level not in ("group", "layer"):
            raise BadData(f"level is {self.level!r}", fix="give group or layer")

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        if self.level == "layer":
            problem.require_feasible()
            layers = sized_layers(problem.coupling, problem.model)
            densities = precrop(layers, Limits.within(problem, layers))
            return widths_near(problem, layers, densities)
        solution = solve_problem(problem)
        groups = problem.coupling.groups
        asked = [solution.fractions[group.name] * group.width for group in groups]
        widths = [solution.widths[group.name] for group in groups]
        return problem.answer(np.array(widths, dtype=np.int64), np.array(asked))
