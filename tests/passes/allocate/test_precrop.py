"""The policy: better than every named baseline at the same budget, and never over it."""

from __future__ import annotations

import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData, InfeasibleBudget
from graphprune.passes.allocate import allocate
from tests.passes.allocate.problems import NETWORKS, log_densities, problem

BASELINES = ("uniform", "sqrt", "erk", "precrop:level=layer")


@pytest.mark.parametrize("budget", [Budget(params=0.5), Budget(params=0.5, macs=0.5)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_baseline_keeps_a_larger_product_of_densities(name: str, budget: Budget) -> None:
    asked = problem(name, budget, 8)
    found = {}
    for policy in ("precrop", *BASELINES):
        widths = allocate(policy, asked)
        assert asked.holds(widths.vector(asked.coupling))
        found[policy] = log_densities(asked, dict(widths.kept)).sum()
    assert found["precrop"] > max(found[policy] for policy in BASELINES)


def test_resnet20_at_half_its_parameters() -> None:
    """The optimum is -6.563; whole widths lose little, the layers' own optimum is out of reach."""
    asked = problem("resnet20", Budget(params=0.5))
    by_group, by_layer = (
        log_densities(asked, dict(allocate(policy, asked).kept)).sum()
        for policy in ("precrop", "precrop:level=layer")
    )
    assert by_group == pytest.approx(-6.58, abs=0.02)
    assert by_layer == pytest.approx(-6.79, abs=0.02)


def test_activation_memory_is_a_bound_like_others() -> None:
    asked = problem("mobilenet_v2", Budget(memory=0.4, params=0.5))
    widths = allocate("precrop", asked).vector(asked.coupling)
    assert 0.98 < asked.bounds.use(asked.model.evaluate(widths)) <= 1


def test_channels_cap_every_group() -> None:
    asked = problem("resnet20", Budget(channels=0.5))
    kept = allocate("precrop", asked).kept
    assert kept == {group.name: group.width // 2 for group in asked.coupling}


def test_widths_that_rounding_moved_are_noted() -> None:
    notes = allocate("precrop", problem("resnet20", Budget(params=0.5), 8)).notes
    assert notes and all("widths come in steps of 8" in note for note in notes)


@pytest.mark.parametrize("level", ["group", "layer"])
def test_infeasible_budgets_are_errors(level: str) -> None:
    with pytest.raises(InfeasibleBudget, match="the least reachable is"):
        allocate(f"precrop:level={level}", problem("resnet20", Budget(params=1e-4), 8))


def test_other_levels_are_refused() -> None:
    with pytest.raises(BadData, match="level"):
        allocate("precrop", problem("resnet20", Budget()), level="filter")
