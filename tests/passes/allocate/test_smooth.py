"""Costs of widths that need not be whole: those of the cost model, with derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Bounds
from graphprune.cost import CostModel
from graphprune.passes.allocate.smooth import Smooth
from tests.networks import ALL

BOUNDS = Bounds(params=100, macs=200, memory=300)


@pytest.mark.parametrize("name", ALL)
def test_whole_widths_cost_what_the_cost_model_says(name: str) -> None:
    model = CostModel.of(ALL[name])
    smooth, rng = Smooth(model, BOUNDS), np.random.default_rng(0)
    for _ in range(5):
        widths = np.array([rng.integers(1, 2 * width + 1) for width in model.widths])
        cost = model.evaluate(widths)
        found = np.exp(smooth.log_costs(np.log(widths / model.widths)).values)
        assert found.tolist() == pytest.approx([cost.params, cost.macs, cost.memory])


@pytest.mark.parametrize("name", ALL)
def test_slopes_are_differences(name: str) -> None:
    model = CostModel.of(ALL[name])
    smooth, rng = Smooth(model, BOUNDS), np.random.default_rng(0)
    logs = rng.normal(size=len(model.widths)) / 2
    here = smooth.log_costs(logs)
    for i in range(len(logs)):
        moved = logs.copy()
        moved[i] += 1e-6
        change = (smooth.log_costs(moved).values - here.values) / 1e-6
        assert change.tolist() == pytest.approx(here.slopes[:, i].tolist(), abs=1e-5)


def test_logarithms_of_costs_are_convex() -> None:
    model = CostModel.of(ALL["concat"])
    smooth, rng = Smooth(model, BOUNDS), np.random.default_rng(0)
    for _ in range(50):
        one, other = rng.normal(size=(2, len(model.widths)))
        ends = (smooth.log_costs(one).values + smooth.log_costs(other).values) / 2
        assert (smooth.log_costs((one + other) / 2).values <= ends + 1e-12).all()


def test_the_largest_common_factor_meets_the_tightest_bound() -> None:
    model = CostModel.of(ALL["chain"])
    smooth = Smooth(model, Bounds(params=model.full.params // 2, macs=model.full.macs))
    lower, upper = -np.log(model.widths), np.zeros(2)
    found = smooth.fitting(np.array([0.0, -0.5]), lower, upper)
    assert smooth.excess(found) == pytest.approx(0, abs=1e-9)
    assert found[0] - found[1] == pytest.approx(0.5)


def test_without_bounds_nothing_is_exceeded() -> None:
    smooth = Smooth(CostModel.of(ALL["chain"]), Bounds())
    assert smooth.excess(np.zeros(2)) == -np.inf
