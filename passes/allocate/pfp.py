"""Widths by sample complexity: one number decides every group's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.errors import BadData
from graphprune.groups import Coupling
from graphprune.passes.allocate.fill import grow
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.score.readers import DELTA, readers
from graphprune.scores import Guarantee, Widths
from graphprune.terms import Floats

# Halvings of the interval of log c; widths only change at far coarser steps.
_HALVINGS = 80
# log c where every group keeps one unit, and where it keeps all that have a share at all.
_LOWEST, _HIGHEST = -60.0, 60.0
_SLACK = 1e-9


def epsilon_of(c: float) -> float:
    """The relative error that a factor of the sample complexities stands for.

    The positive root of ``c e^2 - 36 e - 108 = 0``, which inverts :func:`factor_of`.

    Args:
        c: The factor.
    """
    return float((36 + np.sqrt(1296 + 432 * c)) / (2 * c))


def factor_of(epsilon: float) -> float:
    """The factor c of sample complexities ``m = ceil(c rho)``: ``18 (6 + 2 e) / e^2``.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    section 4.1, with the constants of the released code.

    Args:
        epsilon: The relative error that sampling may make.
    """
    return 18 * (6 + 2 * epsilon) / epsilon**2


def expected_units(probabilities: Floats, draws: float) -> float:
    """How many different units are expected among draws with replacement.

    ``sum over j of 1 - (1 - p_j)^m``.

    Args:
        probabilities: One a unit, adding up to 1.
        draws: Number of draws ``m``.
    """
    positive = probabilities[probabilities > np.finfo(np.float64).eps]
    with np.errstate(divide="ignore"):  # a unit that is all there is: log 0
        return float(-np.expm1(draws * np.log1p(-np.minimum(positive, 1.0))).sum())


@dataclass(frozen=True, eq=False)
class Demand:
    """What one group asks for.

    Attributes:
        probabilities: Chance of each unit in one draw, over all rows.
        total: The sum ``S`` of the sensitivities.
        log_events: The logarithm in the sample complexity, the largest over the readers.
        rows: Rows that keep equally many units.
    """

    probabilities: Floats
    total: float
    log_events: float
    rows: int

    def draws(self, c: float) -> float:
        """The number of draws ``m = ceil(c rho)``, rho being ``S`` times the logarithm."""
        return float(np.ceil(c * self.total * self.log_events))

    def width(self, c: float) -> int:
        """Units a row at a factor of the sample complexity, at least one."""
        expected = expected_units(self.probabilities, max(1.0, self.draws(c))) / self.rows
        return max(1, int(np.ceil(expected - _SLACK)))


@policy("pfp")
@dataclass(frozen=True)
class Pfp:
    """Every group keeps as many units as sampling to one common relative error would.

    The number of draws of a group is proportional to its sum of sensitivities, by one factor for
    all groups: the largest that meets every bound. Units without any sensitivity are never kept
    but to leave a group one.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    section 4.2, the layer-wise budget allocation by one epsilon.

    Attributes:
        delta: Probability of failure.
    """

    delta: float = DELTA

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            BadData: The scores are no sensitivities.
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        if not problem.scores.criterion.startswith("pfp"):
            raise BadData(
                f"allocation 'pfp' cannot use the scores of criterion '{problem.scores.criterion}'",
                why="it takes them for shares of channels in the results of layers",
                fix="choose criterion 'pfp', or allocation 'uniform' or 'global'",
            )
        problem.require_feasible()
        demands = _demands(problem, self.delta)
        c = _largest(problem, demands)
        asked = np.array([demand.width(c) for demand in demands], dtype=np.float64)
        widths = problem.down(asked)
        if problem.round_to > 1:
            widths = grow(problem, widths, lambda now: np.asarray((asked - now) / asked))
        answer = problem.answer(widths, np.minimum(asked, problem.caps))
        return Widths(answer.kept, answer.notes, _guarantees(problem, demands, c, self.delta))


def _demands(problem: Problem, delta: float) -> tuple[Demand, ...]:
    logs = _logarithms(problem.coupling, delta)
    found = []
    for group in problem.coupling:
        scores = problem.scores[group.name].ravel()
        total = float(scores.sum())
        chances = scores / total if total > 0 else np.zeros_like(scores)
        found.append(Demand(chances, total, logs[group.name], group.rows))
    return tuple(found)


def _logarithms(coupling: Coupling, delta: float) -> dict[str, float]:
    """The largest logarithm over every group's readers; 8 / delta events without any."""
    least = float(np.log(8) - np.log(delta))
    by_unit = np.full(coupling.units + 1, least)
    for reader in readers(coupling):
        by_unit[reader.ids] = np.maximum(by_unit[reader.ids], reader.log_events(delta))
    return {group.name: float(by_unit[group.units].max()) for group in coupling}


def _largest(problem: Problem, demands: tuple[Demand, ...]) -> float:
    """The largest factor at which every bound holds; everything grows with it.

    Where all units that have any sensitivity fit, the smallest factor that keeps them.
    """

    def asked(exponent: float) -> Floats:
        widths = [demand.width(np.exp(exponent)) for demand in demands]
        return np.array(widths, dtype=np.float64)

    everything = asked(_HIGHEST)
    fits = problem.holds(problem.down(everything))

    def is_low(exponent: float) -> bool:
        widths = asked(exponent)
        return bool((widths < everything).any()) if fits else problem.holds(problem.down(widths))

    low, high = _LOWEST, _HIGHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_low(middle):
            low = middle
        else:
            high = middle
    return float(np.exp(high if fits else low))


def _guarantees(
    problem: Problem, demands: tuple[Demand, ...], c: float, delta: float
) -> tuple[Guarantee, ...]:
    return tuple(
        Guarantee(
            group.name,
            demand.total,
            demand.draws(c),
            epsilon_of(c),
            delta,
            log_events=demand.log_events,
        )
        for group, demand in zip(problem.coupling, demands, strict=True)
    )
