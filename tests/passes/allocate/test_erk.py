"""Erdos-Renyi-kernel densities, and widths near them."""

from __future__ import annotations

import pytest

from graphprune.budget import Budget
from graphprune.passes.allocate import allocate
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.erk import erk
from tests.passes.allocate.problems import layers_of, problem


def test_densities_go_by_the_sum_over_the_product_of_extents() -> None:
    layers = layers_of("resnet20")
    found = erk(layers, Limits.of(layers, Budget(params=0.1)))
    raw = {x.name: sum(x.shape) / x.weights for x in layers}
    below = [name for name, value in found.values.items() if value < 1]
    assert 0 < len(below) < len(layers)
    scale = found.values[below[0]] / raw[below[0]]
    for name, value in found.values.items():
        assert value == pytest.approx(min(1, scale * raw[name]))
    assert found.kept == pytest.approx(0.1)


def test_both_budgets_hold() -> None:
    layers = layers_of("mobilenet_v2")
    limits = Limits.of(layers, Budget(params=0.5, macs=0.2))
    found = erk(layers, limits)
    assert sum(found.values[x.name] * x.macs for x in layers) == pytest.approx(limits.macs)
    assert found.kept < 0.5


def test_the_policy_uses_the_budget_and_favours_layers_with_few_weights() -> None:
    asked = problem("resnet20", Budget(params=0.5))
    widths = allocate("erk", asked)
    cost = asked.model.evaluate(widths.vector(asked.coupling))
    assert 0.49 < cost.params / asked.model.full.params <= 0.5
    fractions = {g.width: widths.kept[g.name] / g.width for g in asked.coupling}
    assert fractions[16] > fractions[64]
