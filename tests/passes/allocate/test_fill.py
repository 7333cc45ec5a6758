"""The exact cost of a selection has the last word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Bounds, Budget
from graphprune.cost import CostModel
from graphprune.errors import InfeasibleBudget
from graphprune.groups import Coupling
from graphprune.passes.allocate import Problem, allocate, fit, grow
from graphprune.scores import Scores, Selection, Widths
from tests.networks import ALL, chain, unlike


def top(coupling: Coupling, scores: Scores, widths: Widths) -> Selection:
    alive = coupling.everything()
    for group in coupling:
        for row, values in zip(group.units, scores[group.name], strict=True):
            alive[row[np.argsort(-values)[widths.kept[group.name] :]]] = False
    return Selection(alive)


def problem(coupling: Coupling, bounds: Bounds, seed: int = 0, round_to: int = 1) -> Problem:
    rng = np.random.default_rng(seed)
    scores = Scores({group.name: rng.random(group.units.shape) for group in coupling})
    return Problem.of(coupling, scores, CostModel.of(coupling), bounds, round_to=round_to)


def test_growing_stops_at_the_bound() -> None:
    asked = problem(chain(20, 20), Bounds(params=3000))
    widths = grow(asked, asked.narrowest, lambda widths: -widths.astype(np.float64))
    assert asked.holds(widths)
    for i in range(2):
        wider = widths.copy()
        wider[i] += 1
        assert asked.bounds.use(asked.model.evaluate(widths)) >= 0.98 or not asked.holds(wider)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(ALL)),
    st.sampled_from(["uniform", "global"]),
    st.sampled_from([1, 2]),
    st.floats(0.2, 1),
    st.floats(0.2, 1),
    st.integers(0, 5),
)
def test_no_selection_exceeds_a_bound(
    name: str, policy: str, round_to: int, macs: float, params: float, seed: int
) -> None:
    coupling = ALL[name]
    full = CostModel.of(coupling).full
    asked = problem(coupling, Budget(macs=macs, params=params).resolve(full), seed, round_to)
    try:
        widths = allocate(policy, asked)
    except InfeasibleBudget:
        least = asked.model.evaluate(asked.narrowest)
        assert asked.bounds.exceeded(least)
        return
    final, selection = fit(asked, widths, lambda w: top(coupling, asked.scores, w))
    assert asked.bounds.exceeded(asked.model.exact(selection.alive)) == ()
    # Units of these networks are alike, so there was nothing to mend.
    assert final.kept == widths.kept


def test_units_that_cost_more_than_the_mean_shrink_the_group() -> None:
    coupling = unlike()
    model = CostModel.of(coupling)
    scores = Scores({"g1": np.array([[4.0, 3.0, 2.0, 1.0]])})
    bounds = Bounds(params=model.evaluate(np.array([2])).params)
    asked = Problem.of(coupling, scores, model, bounds)
    widths = allocate("uniform", asked)
    assert widths.kept == {"g1": 2}
    with pytest.raises(InfeasibleBudget, match=r"params cannot be brought down to 31"):
        fit(asked, widths, lambda w: top(coupling, scores, w))
    roomy = Problem.of(coupling, scores, model, Bounds(params=40))
    final, selection = fit(roomy, Widths({"g1": 2}), lambda w: top(coupling, scores, w))
    assert final.kept == {"g1": 1}
    assert final.notes == (
        "g1: 1 units a row instead of 2 to hold params: the selected ones cost more than their "
        "number tells",
    )
    assert model.exact(selection.alive).params == 38


def test_the_group_that_loses_least_for_what_it_saves_goes_first() -> None:
    coupling = chain(8, 8, kernel=1)
    model = CostModel.of(coupling)
    values = {"g1": np.array([[1.0] * 8]), "g2": np.array([[1.0] * 7 + [0.01]])}
    asked = Problem.of(coupling, Scores(values), model, Bounds(params=model.full.params - 1))
    final, _ = fit(asked, Widths({"g1": 8, "g2": 8}), lambda w: top(coupling, Scores(values), w))
    assert final.kept == {"g1": 8, "g2": 7}
