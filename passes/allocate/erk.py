"""Widths near the densities of the Erdos-Renyi-kernel rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from graphprune.passes.allocate.densities import Densities, Limits, scaled
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.allocate.toward import widths_near
from graphprune.scores import Widths


def erk(layers: Sequence[SizedLayer], limits: Limits) -> Densities:
    """The Erdos-Renyi-kernel rule: densities go by the sum over the product of the extents.

    Source: Evci et al., "Rigging the Lottery: Making All Tickets Winners", ICML 2020, section 3:
    ``(n_in + n_out + k_w + k_h) / (n_in n_out k_w k_h)``, layers that reach 1 being left there.

    Args:
        layers: The layers.
        limits: What they may cost.
    """
    raw = [sum(layer.shape) / prod(layer.shape) for layer in layers]
    return scaled(layers, np.array(raw), limits, "erk")


@policy("erk")
@dataclass(frozen=True)
class Erk:
    """Widths near Erdos-Renyi-kernel densities: layers with few weights keep most of them.

    Source: Evci et al., "Rigging the Lottery: Making All Tickets Winners", ICML 2020, section 3.
    """

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        problem.require_feasible()
        layers = sized_layers(problem.coupling, problem.model)
        return widths_near(problem, layers, erk(layers, Limits.within(problem, layers)))
