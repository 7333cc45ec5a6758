"""Densities that GraSP implies: from weights and second derivatives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.passes.allocate import POLICIES, Problem, allocate
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.grasp_density import grasp_density
from graphprune.registry import Registry
from tests.passes.allocate.problems import layers_of, problem


@dataclass(frozen=True)
class Products:
    """Products of Hessian and gradient that were written down."""

    given: Mapping[str, Any]
    learnable: Collection[str]
    temperatures: list[float] = field(default_factory=list)

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        raise AssertionError(names)

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        raise AssertionError(names)

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Any]]:
        self.temperatures.append(temperature)
        yield {name: self.given[name] for name in names}


def observed() -> tuple[Problem, Evidence, Products]:
    """ResNet-20 with products drawn at random."""
    asked, rng = problem("resnet20", Budget(params=0.3)), np.random.default_rng(1)
    assert asked.evidence is not None
    shapes = {value.name: value.known_shape for value in asked.coupling.graph.params}
    observer = Products({n: rng.standard_normal(shape) for n, shape in shapes.items()}, shapes)
    evidence = Evidence(asked.evidence.contents, observer)
    return replace(asked, evidence=evidence), evidence, observer


def test_the_largest_weight_times_hessian_gradient_stay() -> None:
    asked, evidence, observer = observed()
    layers = layers_of("resnet20")
    limits = Limits.of(layers, Budget(params=0.3))
    found = grasp_density(asked.coupling.graph, evidence, layers, limits)
    scores = {x.name: evidence(x.name) * observer.given[x.name] for x in layers}
    every = np.sort(np.concatenate([score.ravel() for score in scores.values()]))
    threshold = every[-int(0.3 * len(every))]
    for name, score in scores.items():
        assert found.values[name] == float((score >= threshold).mean())
    assert observer.temperatures == [200.0]


def test_the_policy_holds_the_budget_and_hands_the_temperature_on() -> None:
    asked, _, observer = observed()
    widths = allocate("grasp-density", asked, temperature=1.0)
    assert asked.holds(widths.vector(asked.coupling))
    assert observer.temperatures == [1.0]


def test_it_says_that_it_needs_gradients() -> None:
    assert isinstance(POLICIES, Registry)
    assert POLICIES.needs("grasp-density") == {"data", "gradients"}
    with pytest.raises(BadData, match="'grasp-density' needs data"):
        allocate("grasp-density", problem("resnet20", Budget(params=0.5)))
