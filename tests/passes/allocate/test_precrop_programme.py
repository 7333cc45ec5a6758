"""The programme's optimum is an independent solver's; whole widths never exceed a bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Bounds, Budget
from graphprune.cost import CostModel
from graphprune.errors import InfeasibleBudget
from graphprune.passes.allocate.precrop_programme import Programme, Solution, solve
from graphprune.terms import METRICS
from tests.networks import ALL, chain
from tests.passes.allocate.by_hand import TABLES
from tests.passes.allocate.problems import NETWORKS, log_densities, model_of, problem

BUDGETS = {
    "params": Budget(params=0.5),
    "macs": Budget(macs=0.3),
    "both": Budget(params=0.5, macs=0.4),
}


def solved(name: str, budget: Budget, cap: float = 1.0, round_to: int = 1) -> Solution:
    """The programme of one of the networks."""
    model = model_of(name)
    bounds = budget.resolve(model.full)
    return solve(model.coupling, model, bounds, cap=cap, round_to=round_to)


def independent(model: CostModel, bounds: Bounds, cap: float) -> float:
    """The optimum by cvxpy's interior-point solver, the costs written as sums of exponentials."""
    cp: Any = pytest.importorskip("cvxpy", reason="the independent solver is not installed")
    terms, widths = model.terms, model.widths
    logs = cp.Variable(len(widths))
    programme = Programme.of(model.coupling, model, bounds)
    parts = {
        int(dim): (int(group), float(np.log(units * widths[group])))
        for dim, group, units in zip(*terms.slopes, strict=True)
    }
    # What follows others has no bounds of its own.
    lower = np.where(programme.ties == np.arange(len(widths)), -np.log(widths), -np.inf)
    led = np.isfinite(lower)
    rules = [logs[led] >= lower[led], logs <= np.log(cap), logs == logs[programme.ties]]
    for name, limit in bounds.limits.items():
        exponents = [
            np.log(factor / limit) + sum(parts[dim][1] + logs[parts[dim][0]] for dim in dims if dim)
            for factor, dims, metric in zip(
                terms.factors, terms.indices.tolist(), terms.metrics, strict=True
            )
            if METRICS[metric] == name
        ]
        rules.append(cp.log_sum_exp(cp.hstack(exponents)) <= 0)
    stated = cp.Problem(cp.Maximize(programme.weights @ logs), rules)
    stated.solve(solver="CLARABEL")
    return float(stated.value)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_optimum_is_an_independent_solvers(name: str, budget: str) -> None:
    model = model_of(name)
    assert len(model.terms.slopes[0]) == len(set(model.terms.slopes[0]))  # one group a dimension
    expected = independent(model, BUDGETS[budget].resolve(model.full), 1.0)
    assert solved(name, BUDGETS[budget]).optimum == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_so_it_is_where_groups_may_grow(name: str) -> None:
    model, budget = model_of(name), Budget(params=0.8, macs=1.0)
    expected = independent(model, budget.resolve(model.full), 2.0)
    assert solved(name, budget, 2.0).optimum == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_cost_what_tables_by_hand_say(name: str) -> None:
    table, full = TABLES[name](), model_of(name).full
    assert sum(part.weights for part in table.parts) == full.params
    assert sum(part.macs for part in table.parts) == full.macs


@pytest.mark.parametrize(
    ("params", "macs", "cap"), [(0.5, None, 1.0), (0.5, 0.5, 1.0), (0.8, 1.0, 2.0)]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_optimum_is_that_of_the_programme_by_hand(
    name: str, params: float, macs: float | None, cap: float
) -> None:
    """Groups, costs, what counts and what follows what are not taken from the graph there."""
    expected = TABLES[name]().optimum(params, macs, cap)
    assert solved(name, Budget(params=params, macs=macs), cap).optimum == pytest.approx(
        expected, abs=5e-5
    )


def test_resnet20_at_half_its_parameters() -> None:
    assert model_of("resnet20").full.params == 270_896
    found = solved("resnet20", Budget(params=0.5))
    assert found.optimum == pytest.approx(-6.5633, abs=1e-4)
    assert found.optimum - 0.03 < found.objective <= found.optimum


@pytest.mark.parametrize("round_to", [1, 8])
@pytest.mark.parametrize("cap", [1.0, 2.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_widths_meet_both_budgets_and_lose_little(
    name: str, cap: float, round_to: int
) -> None:
    budget = Budget(params=0.6, macs=0.6)
    found = solved(name, budget, cap, round_to)
    model = model_of(name)
    assert found.bounds.exceeded(model.evaluate(np.array(list(found.widths.values())))) == ()
    assert found.cost == model.evaluate(np.array(list(found.widths.values())))
    assert found.bounds.use(found.cost) > 0.97
    # Eighths are coarse where 16 channels are all there is.
    assert found.objective > found.optimum - (0.1 if round_to == 1 or name != "resnet20" else 1.0)
    for group in model.coupling:
        width = found.widths[group.name]
        assert 1 <= width <= cap * group.width
        assert width == group.width or width % min(round_to, group.width) == 0


def test_the_objective_is_the_sum_of_the_logarithms_of_the_densities() -> None:
    asked = problem("mobilenet_v2", Budget(params=0.5))
    found = solved("mobilenet_v2", Budget(params=0.5))
    counted = log_densities(asked, dict(found.widths)).sum()
    assert found.objective == pytest.approx(counted, abs=1e-9)


def test_growing_spends_what_narrowing_saves() -> None:
    """PreConfig: within the same budgets some groups are wider than before, and R is larger."""
    found = solved("efficientnet_b0", Budget(params=0.8, macs=1.0), 2.0, 8)
    full = {group.name: group.width for group in model_of("efficientnet_b0").coupling}
    assert found.optimum > 3
    assert any(found.widths[name] > width for name, width in full.items())
    assert any(found.widths[name] < width for name, width in full.items())


def test_squeezed_channels_keep_their_ratio_to_those_they_gate() -> None:
    model = model_of("efficientnet_b0")
    bounds = Budget(params=0.5).resolve(model.full)
    programme = Programme.of(model.coupling, model, bounds)
    groups = model.coupling.groups
    followers = [i for i, leader in enumerate(programme.ties.tolist()) if leader != i]
    assert len(followers) == 16
    found = solved("efficientnet_b0", Budget(params=0.5))
    for i in followers:
        leader = groups[programme.ties[i]]
        assert {member.role for member in groups[i].members} >= {"in", "out"}
        ratio = found.fractions[groups[i].name] / found.fractions[leader.name]
        assert ratio == pytest.approx(1)
        kept = found.widths[groups[i].name] / groups[i].width
        assert abs(kept - found.widths[leader.name] / leader.width) <= 1 / groups[i].width


def test_depthwise_layers_cost_but_do_not_count() -> None:
    model = CostModel.of(ALL["depthwise"])
    programme = Programme.of(model.coupling, model, Budget(macs=0.5).resolve(model.full))
    assert programme.weights.tolist() == [2]  # the two dense convs around it


def test_where_everything_fits_nothing_is_narrowed() -> None:
    found = solved("resnet20", Budget(params=1.0))
    assert set(found.fractions.values()) == {1.0}
    assert (found.optimum, found.objective) == (0.0, 0.0)


def test_an_infeasible_budget_says_by_how_much() -> None:
    with pytest.raises(InfeasibleBudget) as caught:
        solved("resnet20", Budget(params=0.001), 2.0, 8)
    assert str(caught.value).splitlines()[:2] == [
        "InfeasibleBudget: params cannot be brought down to 270",
        "  where: the least reachable is 10,792 of 270,896 (3.98 %)",
    ]


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 1"):
        solved("resnet20", Budget(params=0.5), 0.9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(2, 60), min_size=1, max_size=5),
    st.floats(0.1, 1.0),
    st.sampled_from(["params", "macs", "memory"]),
    st.sampled_from([1, 4, 8]),
    st.sampled_from([1.0, 1.5, 3.0]),
)
def test_bounds_are_never_exceeded(
    widths: list[int], fraction: float, metric: str, round_to: int, cap: float
) -> None:
    model = CostModel.of(chain(*widths, size=4))
    bounds = Budget.parse({metric: fraction}).resolve(model.full)
    try:
        found = solve(model.coupling, model, bounds, cap=cap, round_to=round_to)
    except InfeasibleBudget:
        return
    kept = np.array(list(found.widths.values()))
    assert bounds.exceeded(model.evaluate(kept)) == ()
    assert (kept >= 1).all() and (kept <= np.floor(cap * np.array(widths))).all()
