"""Widths of coupled groups that keep the product of the layer densities largest.

With ``y_g`` the logarithm of the fraction that group ``g`` keeps this is a geometric programme:
maximise the sum of ``w_g y_g`` where the logarithm of every cost, which is convex, meets its bound.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from graphprune.budget import Bounds
from graphprune.cost import Cost, CostModel
from graphprune.groups import Coupling, Ids
from graphprune.passes.allocate import rounding
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.smooth import Smooth
from graphprune.passes.allocate.whole import Whole
from graphprune.scores import Scores
from graphprune.terms import Floats


@dataclass(frozen=True, eq=False)
class Solution:
    """Widths, and how good they are.

    Attributes:
        fractions: What every group would keep of its width if widths need not be whole.
        widths: Units a row that every group keeps, by name; more than the group has where it is
            to grow.
        optimum: The sum of the logarithms of the layer densities before rounding.
        objective: The same sum at :attr:`widths`.
        cost: What the network costs at :attr:`widths`.
        bounds: What may not be exceeded.
        seconds: How long it took.
    """

    fractions: Mapping[str, float]
    widths: Mapping[str, int]
    optimum: float
    objective: float
    cost: Cost
    bounds: Bounds
    seconds: float


@dataclass(frozen=True, eq=False)
class Programme:
    """The programme of one network.

    Attributes:
        weights: What the objective gains by the logarithm of every group's fraction.
        ties: For every group the one whose fraction it has: itself, or for the inner channels of
            a gate those that the gate reads.
        smooth: Costs, and their derivatives.
    """

    weights: Floats
    ties: Ids
    smooth: Smooth

    @classmethod
    def of(cls, coupling: Coupling, costs: CostModel, bounds: Bounds) -> Programme:
        """States the programme of a network.

        Args:
            coupling: The network and its groups.
            costs: Its cost as a function of the widths.
            bounds: What may not be exceeded.
        """
        layers = sized_layers(coupling, costs)
        exponents = np.array([layer.exponents for layer in layers]).reshape(-1, len(costs.widths))
        weights = exponents[[layer.dense for layer in layers]].sum(axis=0)
        ties = _ties(layers, weights)
        # What no dense layer sees and nothing ties: as if all layers were dense.
        alone = (weights == 0) & (ties == np.arange(len(ties)))
        weights = np.where(alone, np.maximum(exponents.sum(axis=0), 1.0), weights)
        return cls(weights, ties, Smooth(costs, bounds))

    def solve(self, lower: Floats, upper: Floats) -> Floats:
        """The logarithms of the fractions, ``(groups,)``.

        Args:
            lower: The least each may be.
            upper: The most each may be.
        """
        # Importing it takes longer than most commands do: only who needs it waits.
        from scipy.optimize import minimize

        masters = np.unique(self.ties)
        spread = np.searchsorted(masters, self.ties)
        if self.smooth.excess(upper[self.ties]) <= 0:
            return upper[self.ties]
        gains = self.weights[masters]
        start = self.smooth.fitting(np.zeros(len(masters))[spread], lower, upper)[masters]
        columns = np.equal.outer(self.ties, masters).astype(np.float64)

        def room(logs: Floats) -> Floats:
            return np.asarray(self.smooth.limits - self.smooth.log_costs(logs[spread]).values)

        def room_slopes(logs: Floats) -> Floats:
            return np.asarray(-self.smooth.log_costs(logs[spread]).slopes @ columns)

        scale = 1 / gains.max()
        found = minimize(
            lambda logs: -scale * gains @ logs,
            start,
            jac=lambda _: -scale * gains,
            bounds=list(zip(lower[masters], upper[masters], strict=True)),
            constraints={"type": "ineq", "fun": room, "jac": room_slopes},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        best = np.clip(found.x, lower[masters], upper[masters])
        # Whatever the solver says of itself, no answer is worse than where it began.
        fits = self.smooth.excess(best[spread]) <= 1e-8
        return np.asarray(best if fits and gains @ best >= gains @ start else start)[spread]


def _ties(layers: tuple[SizedLayer, ...], weights: Floats) -> Ids:
    """Inner channels of gates follow what the gate reads."""
    ties = np.arange(len(weights))
    for layer in layers:
        made = np.where(layer.reads > 0, 0.0, layer.exponents)
        if layer.gated and layer.reads.any() and made.any():
            made_group, read = int(made.argmax()), int(layer.reads.argmax())
            if weights[made_group] == 0 and ties[made_group] == made_group:
                ties[made_group] = ties[read]
    return ties


def solve(
    coupling: Coupling,
    costs: CostModel,
    bounds: Bounds,
    *,
    cap: float = 2.0,
    round_to: int = 8,
) -> Solution:
    """Chooses widths that may exceed what groups have: PreConfig with both budgets bounded.

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549, for the
    objective and the bounds by parameters and operations; widths are those of coupled groups.

    Args:
        coupling: The network and its groups.
        costs: Its cost as a function of the widths.
        bounds: What may not be exceeded: any of parameters, MACs and activation memory.
        cap: No group becomes wider than this multiple of its width; 1 for narrowing only.
        round_to: What channel counts should be multiples of; a group may always keep its width.

    Raises:
        InfeasibleBudget: The narrowest widths exceed a bound; the message says by how much.
        ValueError: ``cap`` is less than 1.
    """
    if cap < 1:
        raise ValueError(f"cap is {cap}, less than 1")
    problem = Problem.of(coupling, Scores({}), costs, bounds, round_to=round_to)
    wider = []
    for group, choices in zip(coupling, problem.choices, strict=True):
        step = rounding.step(coupling, group, round_to)
        more = np.arange(step, int(cap * group.width + 1e-9) + 1, step)
        wider.append(np.union1d(choices, more[more > group.width]))
    return solve_problem(replace(problem, choices=tuple(wider)))


def solve_problem(problem: Problem) -> Solution:
    """Chooses among the widths that a problem allows.

    Args:
        problem: Choices and bounds; scores play no part.

    Raises:
        InfeasibleBudget: The narrowest choices exceed a bound; the message says by how much.
    """
    began = time.perf_counter()
    problem.require_feasible()
    programme = Programme.of(problem.coupling, problem.model, problem.bounds)
    full = problem.model.widths
    logs = programme.solve(np.log(problem.narrowest / full), np.log(problem.widest / full))
    widths = Whole(problem, programme.weights, programme.ties, programme.smooth).widths(logs)
    names = [group.name for group in problem.coupling]
    gains = programme.weights
    return Solution(
        fractions=dict(zip(names, np.exp(logs).tolist(), strict=True)),
        widths=dict(zip(names, widths.tolist(), strict=True)),
        optimum=float(gains @ logs),
        objective=float(gains @ np.log(widths / full)),
        cost=problem.model.evaluate(widths),
        bounds=problem.bounds,
        seconds=time.perf_counter() - began,
    )
