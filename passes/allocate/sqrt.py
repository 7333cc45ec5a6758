"""The simple rule: both ends of a layer shrink by the root of its density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphprune.passes.allocate.densities import Densities, Limits
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.allocate.toward import exponents_of, logarithms, widths_at
from graphprune.passes.allocate.water_filling import precrop
from graphprune.scores import Widths
from graphprune.terms import Floats


@policy("sqrt")
@dataclass(frozen=True)
class Sqrt:
    """Both ends of every layer shrink by the root of its density; groups take geometric means.

    The layers' densities are those of allocation ``precrop`` at the level of layers. A baseline:
    at the same budget ``precrop`` keeps the product of the densities larger.
    """

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        problem.require_feasible()
        layers = sized_layers(problem.coupling, problem.model)
        densities = precrop(layers, Limits.within(problem, layers))
        return widths_at(problem, geometric_means(layers, densities))


def geometric_means(layers: Sequence[SizedLayer], densities: Densities) -> Floats:
    """Logarithms of the fractions of every group: the mean over the layers that it sizes.

    Args:
        layers: The layers.
        densities: What they should keep.

    Returns:
        ``(groups,)``; 0 for a group that sizes no layer.
    """
    exponents = exponents_of(layers)
    weight = np.maximum(exponents.sum(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(logarithms(layers, densities) / 2 @ exponents / weight)
