"""The root rule: geometric means, scaled to the budget."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.passes.allocate import allocate
from graphprune.passes.allocate.densities import Densities, Limits
from graphprune.passes.allocate.smooth import Smooth
from graphprune.passes.allocate.sqrt import geometric_means
from graphprune.passes.allocate.toward import exponents_of, reach
from graphprune.passes.allocate.water_filling import precrop
from tests.passes.allocate.problems import layers_of, problem


def test_groups_take_the_geometric_mean_of_the_roots() -> None:
    layers = layers_of("resnet20")
    first = np.flatnonzero(exponents_of(layers)[:, 0])
    values = {layer.name: 1.0 for layer in layers} | {layers[first[0]].name: 0.25}
    weights = {layer.name: layer.weights for layer in layers}
    found = geometric_means(layers, Densities(values, "test", weights))
    assert np.exp(found[0]) == pytest.approx(0.5 ** (1 / len(first)))


def test_resnet20_at_half_its_parameters_before_rounding() -> None:
    layers, asked = layers_of("resnet20"), problem("resnet20", Budget(params=0.5))
    logs = geometric_means(layers, precrop(layers, Limits.within(asked, layers)))
    # As it comes the rule exceeds the budget: 54 % of the parameters instead of half.
    smooth = Smooth(asked.model, asked.bounds)
    assert np.exp(smooth.excess(logs)) / 2 == pytest.approx(0.5407, abs=1e-4)
    scaled = smooth.fitting(logs, *reach(asked))
    assert (exponents_of(layers) @ scaled).sum() == pytest.approx(-8.0924, abs=1e-4)


def test_the_policy_holds_and_uses_the_budget() -> None:
    asked = problem("mobilenet_v2", Budget(params=0.5, macs=0.5), 8)
    cost = asked.model.evaluate(allocate("sqrt", asked).vector(asked.coupling))
    assert 0.98 < asked.bounds.use(cost) <= 1
