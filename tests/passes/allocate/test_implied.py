"""One threshold on single weights says how dense every layer becomes."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.errors import InfeasibleBudget
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.implied import implied
from tests.passes.allocate.problems import layers_of

LAYERS = layers_of("resnet20")
SCORES = {
    layer.name: np.random.default_rng(i).random(layer.shape) * (1 + i)
    for i, layer in enumerate(LAYERS)
}


def test_densities_are_those_of_the_largest_set_above_a_threshold() -> None:
    found = implied(LAYERS, SCORES, Limits.of(LAYERS, Budget(params=0.3)), "test")
    every = np.sort(np.concatenate([score.ravel() for score in SCORES.values()]))
    threshold = every[-int(0.3 * len(every))]
    assert found.values == {
        name: float((score >= threshold).mean()) for name, score in SCORES.items()
    }
    assert 0.3 - 1e-4 < found.kept <= 0.3


def test_operations_may_bind_too() -> None:
    limits = Limits.of(LAYERS, Budget(params=0.9, macs=0.3))
    found = implied(LAYERS, SCORES, limits, "test")
    assert 0.999 < sum(found.values[x.name] * x.macs for x in LAYERS) / limits.macs <= 1


def test_equal_scores_stay_or_go_together() -> None:
    same = {layer.name: np.ones(layer.shape) for layer in LAYERS}
    whole = implied(LAYERS, same, Limits(), "test")
    assert set(whole.values.values()) == {1.0}
    with pytest.raises(InfeasibleBudget, match="no threshold on the scores of 'test'"):
        implied(LAYERS, same, Limits.of(LAYERS, Budget(params=0.5)), "test")
