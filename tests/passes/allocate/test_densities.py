"""Densities by name, what they may cost, and the uniform rule."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.passes.allocate.densities import Densities, Limits, uniform
from tests.passes.allocate.problems import layers_of, problem


def test_the_objective_is_the_sum_of_logarithms_and_kept_is_by_weight() -> None:
    found = Densities({"a": 0.5, "b": 0.25}, "none", {"a": 100, "b": 300})
    assert found.objective == pytest.approx(np.log(0.125))
    assert found.kept == pytest.approx(125 / 400)


def test_a_layer_that_keeps_nothing_ends_the_flow() -> None:
    assert Densities({"a": 0.5, "b": 0.0}, "none", {"a": 1, "b": 1}).objective == -np.inf


def test_limits_are_fractions_of_the_layers_or_numbers() -> None:
    layers = layers_of("resnet20")
    assert Limits.of(layers, Budget(params=0.5)) == Limits(135_448.0, np.inf)
    assert Limits.of(layers, Budget(macs=1e6)) == Limits(np.inf, 1e6)


def test_masks_do_not_change_memory() -> None:
    with pytest.raises(BadData) as caught:
        Limits.of(layers_of("resnet20"), Budget(memory=0.5))
    assert str(caught.value) == (
        "BadData: densities cannot be bounded by 'memory'\n"
        "  why:   a mask changes neither the shapes nor the memory of activations\n"
        "  fix:   bound params, macs or both"
    )


def test_a_networks_bounds_are_the_same_fractions_of_its_layers() -> None:
    """Norms and biases of the network count in its budget, not in that of the layers."""
    layers = layers_of("mobilenet_v2")
    found = Limits.within(problem("mobilenet_v2", Budget(params=0.5)), layers)
    assert found.weights == pytest.approx(sum(layer.weights for layer in layers) / 2, rel=1e-5)
    assert found.macs == np.inf


@pytest.mark.parametrize("budget", [Budget(params=0.3), Budget(params=0.9, macs=0.3)])
def test_uniform_keeps_one_fraction(budget: Budget) -> None:
    layers = layers_of("resnet20")
    found = uniform(layers, Limits.of(layers, budget))
    assert set(found.values) == {layer.name for layer in layers}
    assert list(found.values.values()) == pytest.approx([0.3] * 22)


def test_without_bounds_all_is_kept() -> None:
    assert set(uniform(layers_of("resnet20"), Limits()).values.values()) == {1.0}
