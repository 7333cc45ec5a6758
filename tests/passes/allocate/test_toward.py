"""Widths near densities: exact where widths can reach them, nearest where they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.passes.allocate.densities import Densities
from graphprune.passes.allocate.layers import sized_layers
from graphprune.passes.allocate.toward import exponents_of, logarithms, widths_near
from tests.networks import chain
from tests.passes.allocate.problems import stated


def test_densities_that_widths_can_have_are_met() -> None:
    asked = stated(chain(20, 40, 30, size=4), Budget())
    layers = sized_layers(asked.coupling, asked.model)
    fractions = np.array([0.5, 0.25, 0.7])
    wanted = np.exp(exponents_of(layers) @ np.log(fractions))
    densities = Densities(
        {layer.name: float(p) for layer, p in zip(layers, wanted, strict=True)}, "test", {}
    )
    # What the budget leaves over is spent, so it is what these widths cost.
    cost = asked.model.evaluate(np.array([10, 10, 21]))
    tight = stated(chain(20, 40, 30, size=4), Budget(params=float(cost.params)))
    assert widths_near(tight, layers, densities).kept == {"g1": 10, "g2": 10, "g3": 21}


def test_a_layer_that_keeps_nothing_counts_as_one_weight() -> None:
    asked = stated(chain(6, size=4), Budget(params=0.5))
    layers = sized_layers(asked.coupling, asked.model)
    densities = Densities({layer.name: 0.0 for layer in layers}, "test", {})
    assert np.exp(logarithms(layers, densities)).tolist() == pytest.approx(
        [1 / layer.weights for layer in layers]
    )
    assert asked.holds(widths_near(asked, layers, densities).vector(asked.coupling))
