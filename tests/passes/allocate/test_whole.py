"""Whole widths: near what is asked, within the bounds, and as good as exchanges make them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.passes.allocate.precrop_programme import Programme
from graphprune.passes.allocate.toward import reach
from graphprune.passes.allocate.whole import Whole
from tests.networks import chain
from tests.passes.allocate.problems import stated


def whole(budget: Budget, round_to: int = 1) -> Whole:
    asked = stated(chain(12, 7, 9, size=4), budget, round_to)
    programme = Programme.of(asked.coupling, asked.model, asked.bounds)
    return Whole(asked, programme.weights, programme.ties, programme.smooth)


@pytest.mark.parametrize("budget", [Budget(params=0.5), Budget(macs=0.3, params=0.4)])
def test_no_other_widths_are_much_better(budget: Budget) -> None:
    """All of them are tried."""
    made = whole(budget)
    programme = Programme.of(made.problem.coupling, made.problem.model, made.problem.bounds)
    widths = made.widths(programme.solve(*reach(made.problem)))
    best = max(
        float(made.gains @ np.log(candidate))
        for candidate in map(np.array, product(*made.problem.choices))
        if made.problem.holds(candidate)
    )
    assert made.problem.holds(widths)
    assert float(made.gains @ np.log(widths)) >= best - 0.03


def test_shares_of_a_step_are_rounded_as_asked() -> None:
    made = whole(Budget(), 4)
    asked = np.array([5.0, 6.1, 9.0])
    assert made.rounded(asked, 0.0).tolist() == [4, 4, 9]
    assert made.rounded(asked, 0.5).tolist() == [4, 7, 9]
    assert made.rounded(asked, 1.0).tolist() == [8, 7, 9]


def test_shrinking_ends_within_the_bounds_and_growing_uses_them_up() -> None:
    made = whole(Budget(params=0.5))
    shrunk = made.shrunk(made.problem.widest)
    assert made.problem.holds(shrunk)
    grown = made.grown(shrunk)
    assert made.problem.holds(grown) and (grown >= shrunk).all()
    for i in range(3):
        wider = grown.copy()
        wider[i] += 1
        assert wider[i] > made.problem.widest[i] or not made.problem.holds(wider)


def test_followers_take_the_fraction_of_their_leader() -> None:
    made = whole(Budget())
    led = Whole(made.problem, made.gains, np.array([0, 0, 2]), made.smooth)
    assert led.tied(np.array([6, 7, 9])).tolist() == [6, 3, 9]
    assert led.tied(np.array([1, 7, 9])).tolist() == [1, 1, 9]
