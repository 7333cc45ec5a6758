"""Global widths: one threshold on the normalised scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.errors import BadData, InfeasibleBudget
from graphprune.groups import Coupling
from graphprune.passes.allocate import Problem, allocate
from graphprune.scores import Scores
from tests.networks import chain, two_rows

WIDTHS = st.lists(st.integers(48, 128), min_size=4, max_size=6)


def problem(
    coupling: Coupling, budget: Budget, round_to: int = 1, scores: Scores | None = None
) -> Problem:
    rng = np.random.default_rng(0)
    drawn = Scores({g.name: rng.gamma(4, 1, g.units.shape) for g in coupling})
    model = CostModel.of(coupling)
    bounds = budget.resolve(model.full)
    return Problem.of(coupling, scores or drawn, model, bounds, round_to=round_to)


@settings(max_examples=40, deadline=None)
@given(WIDTHS, st.floats(0.3, 0.95), st.sampled_from(["macs", "params"]))
def test_a_budget_is_used_up_and_never_exceeded(
    widths: list[int], fraction: float, metric: str
) -> None:
    asked = problem(chain(*widths, kernel=1, size=4), Budget.parse({metric: fraction}))
    kept = allocate("global", asked).vector(asked.coupling)
    assert 0.98 <= asked.bounds.use(asked.model.evaluate(kept)) <= 1


@settings(max_examples=30, deadline=None)
@given(WIDTHS, st.floats(0.3, 0.95), st.sampled_from([2, 8]))
def test_rounded_widths_are_multiples(widths: list[int], fraction: float, round_to: int) -> None:
    asked = problem(chain(*widths, kernel=1, size=4), Budget(macs=fraction), round_to)
    kept = allocate("global", asked).vector(asked.coupling)
    assert all(w % round_to == 0 or w == full for w, full in zip(kept, widths, strict=True))
    assert asked.holds(kept)


def test_a_group_of_a_few_strong_units_keeps_fewer() -> None:
    coupling = chain(50, 50)
    values = {"g1": np.ones((1, 50)), "g2": np.full((1, 50), 0.1)}
    values["g2"][0, :10] = 30
    widths = allocate("global", problem(coupling, Budget(macs=0.5), scores=Scores(values)))
    assert widths.kept["g2"] < widths.kept["g1"]
    assert widths.kept["g2"] >= 10


def test_scale_does_not_matter() -> None:
    coupling = chain(40, 60)
    rng = np.random.default_rng(1)
    values = {group.name: rng.gamma(4, 1, group.units.shape) for group in coupling}
    scaled = values | {"g1": 1000 * values["g1"]}
    kept = [
        allocate("global", problem(coupling, Budget(macs=0.5), scores=Scores(v))).kept
        for v in (values, scaled)
    ]
    assert kept[0] == kept[1]


def test_scores_are_compared_in_the_unit_that_is_asked_for() -> None:
    # The means of both groups are equal, and so are their sums; the maxima are not.
    coupling = chain(60, 60)
    values = {"g1": np.linspace(0.9, 1.1, 60)[None], "g2": np.full((1, 60), 0.5)}
    values["g2"][0, :10] = 3.5
    kept = {
        how: allocate(
            "global", problem(coupling, Budget(macs=0.6), scores=Scores(values)), normalise=how
        ).kept
        for how in ("mean", "sum", "none", "max")
    }
    assert kept["mean"] == kept["sum"] == kept["none"]
    assert kept["mean"]["g1"] == 60 and 10 <= kept["mean"]["g2"] < 60
    halved = Scores({"g1": values["g1"] / 8, "g2": values["g2"]})
    asked = problem(coupling, Budget(macs=0.6), scores=halved)
    assert allocate("global", asked, normalise="mean").kept == kept["mean"]
    # As they are, all of the second group's scores are larger than the first's.
    scaled = allocate("global", asked, normalise="none").kept
    assert scaled["g2"] == 60 and scaled["g1"] < 60


def test_a_threshold_without_normalisation_separates_the_scores_themselves() -> None:
    coupling, rng = chain(50, 70), np.random.default_rng(3)
    values = {g.name: rng.gamma(4, 1 + i, g.units.shape) for i, g in enumerate(coupling)}
    asked = problem(coupling, Budget(macs=0.5), scores=Scores(values))
    kept = allocate("global", asked, normalise="none").kept
    lowest = [np.sort(values[name][0])[::-1][count - 1] for name, count in kept.items()]
    highest = [np.sort(values[name][0])[::-1][count] for name, count in kept.items()]
    # But for the units that filled the budget up, one of a group at a time.
    assert abs(max(highest) - min(lowest)) < 0.5


def test_nonsense_is_refused() -> None:
    for options, text in (
        ({"min_keep": 2}, "min_keep is 2"),
        ({"normalise": "median"}, "normalise is 'median'"),
    ):
        with pytest.raises(BadData, match=text):
            allocate("global", problem(chain(4), Budget()), **options)


def test_every_group_keeps_its_share() -> None:
    coupling = chain(40, 60)
    values = {"g1": np.linspace(0, 1, 40)[None], "g2": np.linspace(1, 1.001, 60)[None]}
    for min_keep, least in ((0.0, 1), (0.05, 2), (0.3, 12)):
        asked = problem(coupling, Budget(macs=0.2), scores=Scores(values))
        assert allocate("global", asked, min_keep=min_keep).kept["g1"] >= least
    asked = problem(coupling, Budget(macs=0.2), scores=Scores(values))
    with pytest.raises(InfeasibleBudget):
        allocate("global", asked, min_keep=0.9)


def test_rows_lose_equally_many() -> None:
    coupling = two_rows(8)
    values = np.stack([np.arange(8.0), np.arange(8.0)[::-1] * 10])
    scores = Scores({"g1": values})
    widths = allocate("global", problem(coupling, Budget(params=0.6), scores=scores))
    model = CostModel.of(coupling)
    assert model.evaluate(widths.vector(coupling)).params <= 0.6 * model.full.params
    assert 1 <= widths.kept["g1"] < 8


def test_equal_scores_still_use_the_budget() -> None:
    coupling = chain(64, 64, 64, kernel=1)
    scores = Scores({group.name: np.ones(group.units.shape) for group in coupling})
    asked = problem(coupling, Budget(macs=0.5), scores=scores)
    kept = allocate("global", asked).vector(coupling)
    assert asked.bounds.use(asked.model.evaluate(kept)) >= 0.98


def test_a_network_without_groups() -> None:
    coupling = chain()
    assert allocate("global", problem(coupling, Budget(macs=1.0))).kept == {}
    with pytest.raises(InfeasibleBudget, match="macs cannot be brought down"):
        allocate("global", problem(coupling, Budget(macs=0.5)))
