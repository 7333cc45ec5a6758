"""From densities of layers to widths of the groups that couple them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphprune.evidence import Evidence
from graphprune.groups import Ids
from graphprune.ir import Graph
from graphprune.passes.allocate.densities import Densities, Limits
from graphprune.passes.allocate.fill import grow
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.smooth import Smooth
from graphprune.passes.allocate.whole import Whole
from graphprune.scores import Widths
from graphprune.terms import Floats

# Holds groups that no layer speaks for at their width, without a say where one does.
_PULL = 1e-4

Rule = Callable[[Graph, Evidence, Sequence[SizedLayer], Limits], Densities]


def widths_by(problem: Problem, policy: str, rule: Rule) -> Widths:
    """Widths near the densities that a rule gives the layers of the network at the same budget.

    Args:
        problem: Choices, bounds and evidence.
        policy: Its name, for messages.
        rule: From weights, and what else there is to look at, to densities.

    Raises:
        BadData: There is no evidence.
        InfeasibleBudget: The narrowest choices exceed a bound.
    """
    problem.require_feasible()
    evidence = problem.observed(policy)
    layers = sized_layers(problem.coupling, problem.model)
    limits = Limits.within(problem, layers)
    return widths_near(problem, layers, rule(problem.coupling.graph, evidence, layers, limits))


def widths_near(problem: Problem, layers: Sequence[SizedLayer], densities: Densities) -> Widths:
    """Widths whose layers come closest to densities.

    A layer keeps the product of what the groups of its axes keep. The squares of the differences
    of the logarithms are least; then one factor for all groups meets the bounds.

    Args:
        problem: Choices and bounds.
        layers: The layers.
        densities: What they should keep.
    """
    # Importing it takes longer than most commands do: only who needs it waits.
    from scipy.optimize import lsq_linear

    lower, upper = reach(problem)
    exponents = exponents_of(layers)
    target = logarithms(layers, densities)
    held = _PULL * np.eye(len(lower))
    found = lsq_linear(
        np.concatenate([exponents, held]),
        np.concatenate([target, np.zeros(len(lower))]),
        (lower - 1e-9, np.maximum(upper, lower) + 1e-9),
    )
    return widths_at(problem, np.asarray(found.x))


def widths_at(problem: Problem, logs: Floats) -> Widths:
    """Widths at given fractions, all of them scaled alike to meet the bounds.

    Args:
        problem: Choices and bounds.
        logs: Logarithms of the fractions, ``(groups,)``.
    """
    lower, upper = reach(problem)
    smooth, full = Smooth(problem.model, problem.bounds), problem.model.widths
    asked: Floats = np.multiply(np.exp(smooth.fitting(logs, lower, upper)), full, dtype=np.float64)
    own = np.arange(len(full))
    fitted = Whole(problem, np.ones(len(full)), own, smooth).shrunk(problem.down(asked))

    def remainder(widths: Ids) -> Floats:
        return np.asarray((asked - widths) / full)

    return problem.answer(grow(problem, fitted, remainder), np.minimum(asked, problem.caps))


def reach(problem: Problem) -> tuple[Floats, Floats]:
    """Logarithms of the least and of the largest fraction that groups may keep.

    Args:
        problem: Choices and bounds.
    """
    full = problem.model.widths
    lower, upper = problem.narrowest / full, problem.widest / full
    return np.asarray(np.log(lower)), np.asarray(np.log(upper))


def exponents_of(layers: Sequence[SizedLayer]) -> Floats:
    """How often every group sizes every layer, ``(layers, groups)``.

    Args:
        layers: The layers.
    """
    return np.array([layer.exponents for layer in layers], dtype=np.float64)


def logarithms(layers: Sequence[SizedLayer], densities: Densities) -> Floats:
    """Logarithms of densities, ``(layers,)``; of one weight where a layer keeps none.

    Args:
        layers: The layers.
        densities: What they should keep.
    """
    kept = [max(densities.values[layer.name], 1 / layer.weights) for layer in layers]
    return np.asarray(np.log(np.array(kept, dtype=np.float64)))
