"""Uniform widths: one fraction for all, up to a unit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.passes.allocate import Problem, allocate
from graphprune.scores import Scores
from tests.networks import chain

WIDTHS = st.lists(st.integers(48, 128), min_size=4, max_size=6)
FRACTIONS = st.floats(0.3, 0.95)
METRICS = st.sampled_from(["macs", "params"])


def problem(widths: list[int], budget: Budget, round_to: int = 1) -> Problem:
    coupling = chain(*widths, kernel=1, size=4)
    scores = Scores({group.name: np.ones(group.units.shape) for group in coupling})
    model = CostModel.of(coupling)
    return Problem.of(coupling, scores, model, budget.resolve(model.full), round_to=round_to)


@settings(max_examples=40, deadline=None)
@given(WIDTHS, FRACTIONS, METRICS)
def test_one_budget_is_used_up_by_equal_fractions(
    widths: list[int], fraction: float, metric: str
) -> None:
    asked = problem(widths, Budget.parse({metric: fraction}))
    kept = allocate("uniform", asked).vector(asked.coupling)
    assert 0.98 <= asked.bounds.use(asked.model.evaluate(kept)) <= 1
    shares = kept / np.array(widths)
    assert shares.max() - shares.min() <= 2 / min(widths) + 1e-9


@settings(max_examples=40, deadline=None)
@given(WIDTHS, FRACTIONS, FRACTIONS, st.floats(0.5, 1))
def test_several_budgets_hold_at_once(
    widths: list[int], macs: float, params: float, memory: float
) -> None:
    asked = problem(widths, Budget(macs=macs, params=params, memory=memory))
    cost = asked.model.evaluate(allocate("uniform", asked).vector(asked.coupling))
    assert asked.bounds.exceeded(cost) == ()
    assert asked.bounds.use(cost) >= 0.98


@settings(max_examples=40, deadline=None)
@given(WIDTHS, st.floats(0.3, 0.8), st.floats(0.05, 0.15))
def test_a_larger_budget_buys_more(widths: list[int], small: float, more: float) -> None:
    costs = []
    for fraction in (small, small + more):
        asked = problem(widths, Budget(macs=fraction))
        costs.append(asked.model.evaluate(allocate("uniform", asked).vector(asked.coupling)))
    assert costs[0].macs < costs[1].macs
    assert costs[0].params <= costs[1].params


@settings(max_examples=40, deadline=None)
@given(WIDTHS, FRACTIONS, st.sampled_from([2, 8, 16]))
def test_rounded_widths_are_multiples(widths: list[int], fraction: float, round_to: int) -> None:
    asked = problem(widths, Budget(macs=fraction), round_to)
    kept = allocate("uniform", asked).vector(asked.coupling)
    assert all(w % round_to == 0 or w == full for w, full in zip(kept, widths, strict=True))
    assert asked.holds(kept)


def test_a_fraction_that_widths_meet_exactly_is_met_exactly() -> None:
    asked = problem([64, 64, 64], Budget(memory=1.0))
    assert allocate("uniform", asked).kept == {"g1": 64, "g2": 64, "g3": 64}
    half = asked.model.evaluate(np.array([32, 32, 32]))
    asked = problem([64, 64, 64], Budget(macs=half.macs))
    assert allocate("uniform", asked).kept == {"g1": 32, "g2": 32, "g3": 32}
