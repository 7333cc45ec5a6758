"""Widths by sample complexity: one factor for all groups, never over budget."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.errors import BadData
from graphprune.ir.text import parse
from graphprune.passes.allocate import Problem, allocate
from graphprune.passes.allocate.pfp import (
    Demand,
    _demands,
    epsilon_of,
    expected_units,
    factor_of,
)
from graphprune.passes.couple import couple
from graphprune.passes.score.readers import readers
from graphprune.passes.select import select
from graphprune.scores import Scores
from tests.networks import chain

WIDTHS = st.lists(st.integers(8, 60), min_size=2, max_size=5)


def problem(
    widths: list[int], budget: Budget, seed: int = 0, round_to: int = 1, dead: int = 0
) -> Problem:
    """A chain whose sensitivities are drawn at random; the first units are dead."""
    coupling, rng = chain(*widths, size=4), np.random.default_rng(seed)
    values = {group.name: rng.random(group.units.shape) ** 3 for group in coupling}
    for rows in values.values():
        rows[:, :dead] = 0
    model = CostModel.of(coupling)
    bounds = budget.resolve(model.full)
    return Problem.of(coupling, Scores(values, "pfp"), model, bounds, round_to=round_to)


@given(st.floats(1e-4, 1e4))
def test_the_error_and_the_factor_are_inverse_to_each_other(epsilon: float) -> None:
    assert epsilon_of(factor_of(epsilon)) == pytest.approx(epsilon, rel=1e-9)


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_expected_units_are_those_of_a_simulation_in_the_limit(count: int, seed: int) -> None:
    chances = np.random.default_rng(seed).dirichlet(np.ones(count))
    assert expected_units(chances, 1) == pytest.approx(1, abs=1e-6)
    assert expected_units(chances, 1e15) <= count


def test_expected_units_are_the_mean_number_of_different_draws() -> None:
    rng = np.random.default_rng(0)
    chances = np.array([0.5, 0.3, 0.1, 0.07, 0.03])
    drawn = [len(set(rng.choice(5, 6, p=chances).tolist())) for _ in range(20_000)]
    deviation = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - expected_units(chances, 6)) < 4 * deviation


@given(st.integers(0, 2**31), st.floats(-20, 20), st.floats(0, 10))
def test_widths_grow_with_the_factor(seed: int, exponent: float, more: float) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.random(30) ** 4
    demand = Demand(shares / shares.sum(), float(shares.sum()), 40.0, 1)
    narrow, wide = demand.width(np.exp(exponent)), demand.width(np.exp(exponent + more))
    assert 1 <= narrow <= wide <= 30


@settings(max_examples=40, deadline=None)
@given(
    WIDTHS,
    st.floats(0.15, 0.95),
    st.sampled_from(["macs", "params", "memory"]),
    st.sampled_from([1, 4]),
    st.integers(0, 100),
)
def test_budgets_are_never_exceeded(
    widths: list[int], fraction: float, metric: str, round_to: int, seed: int
) -> None:
    asked = problem(widths, Budget.parse({metric: fraction}), seed, round_to)
    if asked.bounds.exceeded(asked.model.evaluate(asked.narrowest)):
        return
    kept = allocate("pfp", asked)
    alive = select("top", asked.coupling, asked.scores, kept).alive
    assert asked.bounds.exceeded(asked.model.exact(alive)) == ()


@settings(max_examples=25, deadline=None)
@given(WIDTHS, st.floats(0.3, 0.9), st.integers(0, 100))
def test_the_factor_is_the_largest_that_holds(
    widths: list[int], fraction: float, seed: int
) -> None:
    asked = problem(widths, Budget(macs=fraction), seed)
    if asked.bounds.exceeded(asked.model.evaluate(asked.narrowest)):
        return
    found = allocate("pfp", asked)
    c = factor_of(found.guarantees[0].epsilon)
    demands = _demands(asked, 1e-16)
    if list(found.kept.values()) != widths:
        assert list(found.kept.values()) == [demand.width(c * (1 - 1e-9)) for demand in demands]
        wider = np.array([demand.width(c * (1 + 1e-9)) for demand in demands], dtype=np.float64)
        assert not asked.holds(asked.down(wider))


def test_where_all_fits_the_factor_is_the_smallest_that_keeps_all() -> None:
    asked = problem([9, 12], Budget(), dead=2)
    found = allocate("pfp", asked)
    assert found.kept == {"g1": 7, "g2": 10}
    c = factor_of(found.guarantees[0].epsilon)
    fewer = [demand.width(c * (1 - 1e-9)) for demand in _demands(asked, 1e-16)]
    assert fewer != [7, 10]


@pytest.mark.parametrize("fraction", [0.4, 0.7, 1.0])
def test_dead_channels_are_pruned_before_any_other(fraction: float) -> None:
    asked = problem([20, 30], Budget(macs=fraction), dead=7)
    widths = allocate("pfp", asked)
    alive = select("top", asked.coupling, asked.scores, widths).alive
    for group in asked.coupling:
        assert not alive[group.units[0, :7]].any()
        assert widths.kept[group.name] <= group.width - 7


def test_a_group_without_any_sensitivity_keeps_one_unit() -> None:
    asked = problem([6, 9], Budget(macs=0.9))
    dead = Scores({"g1": np.zeros((1, 6)), "g2": asked.scores["g2"]}, "pfp")
    again = Problem.of(asked.coupling, dead, asked.model, asked.bounds)
    assert allocate("pfp", again).kept["g1"] == 1


def test_equal_sensitivities_give_wider_groups_more() -> None:
    coupling = chain(10, 40, size=4)
    scores = Scores({g.name: np.full(g.units.shape, 0.2) for g in coupling}, "pfp")
    model = CostModel.of(coupling)
    asked = Problem.of(coupling, scores, model, Budget(macs=0.4).resolve(model.full))
    kept = allocate("pfp", asked).kept
    # Draws go by the sum of sensitivities, so both keep about the same fraction.
    assert kept["g2"] / 40 == pytest.approx(kept["g1"] / 10, abs=0.1)


def test_concentrated_sensitivities_need_fewer_units() -> None:
    coupling = chain(32, 32, size=4)
    few = np.full((1, 32), 1e-4)
    few[0, :4] = 0.5
    scores = Scores({"g1": few, "g2": np.full((1, 32), 0.5)}, "pfp")
    model = CostModel.of(coupling)
    asked = Problem.of(coupling, scores, model, Budget(macs=0.5).resolve(model.full))
    kept = allocate("pfp", asked).kept
    assert kept["g1"] < kept["g2"] / 2


def test_rows_share_what_the_whole_group_is_expected_to_keep() -> None:
    chances = np.full(24, 1 / 24)
    one, four = Demand(chances, 6.0, 40.0, 1), Demand(chances, 6.0, 40.0, 4)
    for c in (0.01, 0.05, 0.1, 1.0):
        assert four.width(c) == max(1, -(-one.width(c) // 4))


def test_guarantees_say_what_the_budget_bought_and_that_it_is_a_heuristic() -> None:
    asked = problem([12, 20], Budget(macs=0.5))
    found = allocate("pfp", asked).guarantees
    assert [g.group for g in found] == ["g1", "g2"]
    assert found[0].epsilon == found[1].epsilon > 0
    for guarantee in found:
        total = float(asked.scores[guarantee.group].sum())
        assert guarantee.sensitivity == pytest.approx(total)
        c = factor_of(guarantee.epsilon)
        assert guarantee.draws == pytest.approx(c * total * log(8 / 1e-16), abs=1)
        assert "heuristic" in guarantee.meaning


def test_the_logarithm_is_the_largest_over_the_readers() -> None:
    graph = parse("""
        input x: [1,3,6,6]
        param a: [8,3,1,1]
        param b: [4,8,3,3]
        param c: [4,8,1,1]
        p: [1,8,6,6] = conv(x, a)
        y: [1,4,4,4] = conv(p, b)
        z: [1,4,6,6] = conv(p, c)
        return y, z
    """)
    coupling = couple(graph)
    assert len(readers(coupling)) == 2
    scores = Scores({"g1": np.full((1, 8), 0.5)}, "pfp")
    model = CostModel.of(coupling)
    asked = Problem.of(coupling, scores, model, Budget(macs=0.9).resolve(model.full))
    (demand,) = _demands(asked, 1e-3)
    assert demand.log_events == pytest.approx(log(8 * 17 * 9 / 1e-3))


def test_scores_that_are_no_sensitivities_are_refused() -> None:
    asked = problem([5, 6], Budget(macs=0.9))
    scores = Scores(asked.scores.values, "l2")
    with pytest.raises(BadData) as caught:
        allocate("pfp", Problem.of(asked.coupling, scores, asked.model, asked.bounds))
    assert str(caught.value) == (
        "BadData: allocation 'pfp' cannot use the scores of criterion 'l2'\n"
        "  why:   it takes them for shares of channels in the results of layers\n"
        "  fix:   choose criterion 'pfp', or allocation 'uniform' or 'global'"
    )


def test_sampling_keeps_sums_within_epsilon_as_often_as_promised() -> None:
    """Bernstein's bound on one layer: m >= (6 + 2 e) S log(2 n / delta) / (3 e^2)."""
    rng = np.random.default_rng(0)
    parts = rng.random((20, 12)) ** 2  # twelve channels' summands in twenty sums
    shares = parts / parts.sum(axis=1, keepdims=True)
    sensitivity = shares.max(axis=0)
    total, delta, epsilon = float(sensitivity.sum()), 0.2, 0.5
    chances = sensitivity / total
    draws = int(np.ceil((6 + 2 * epsilon) * total * log(2 * 20 / delta) / (3 * epsilon**2)))
    trials = 2000
    counts = rng.multinomial(draws, chances, size=trials)
    estimates = (counts / (draws * chances)) @ parts.T
    sums = parts.sum(axis=1)
    failed = (np.abs(estimates - sums) > epsilon * sums).any(axis=1).mean()
    assert failed < delta
    # Reweighted sums are right on average: the sampling itself is unbiased.
    deviation = estimates.std(axis=0) / np.sqrt(trials)
    assert (np.abs(estimates.mean(axis=0) - sums) < 5 * deviation).all()
