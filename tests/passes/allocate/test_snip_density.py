"""Densities that SNIP implies: from weights and gradients."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.passes.allocate import Problem, allocate
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.snip_density import snip_density
from graphprune.registry import Registry
from tests.passes.allocate.problems import layers_of, problem


@dataclass(frozen=True)
class Batches:
    """Gradients that were written down."""

    given: Sequence[Mapping[str, Any]]
    learnable: Collection[str]

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        raise AssertionError(names)

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Any]]:
        raise AssertionError(names)

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        return ({name: batch[name] for name in names} for batch in self.given)


def observed(count: int = 2, fixed: str = "") -> Problem:
    """ResNet-20 with batches of gradients drawn at random."""
    asked, rng = problem("resnet20", Budget(params=0.3)), np.random.default_rng(1)
    assert asked.evidence is not None
    shapes = {value.name: value.known_shape for value in asked.coupling.graph.params}
    given = [{n: rng.standard_normal(shape) for n, shape in shapes.items()} for _ in range(count)]
    observer = Batches(given, [name for name in shapes if name != fixed])
    return replace(asked, evidence=Evidence(asked.evidence.contents, observer))


def test_the_threshold_is_on_weight_times_the_gradient() -> None:
    asked, layers = observed(), layers_of("resnet20")
    evidence = asked.evidence
    assert evidence is not None and isinstance(evidence.observer, Batches)
    found = snip_density(
        asked.coupling.graph, evidence, layers, Limits.of(layers, Budget(params=0.3))
    )
    one, other = evidence.observer.given
    scores = {x.name: np.abs(evidence(x.name) * (one[x.name] + other[x.name])) for x in layers}
    every = np.sort(np.concatenate([score.ravel() for score in scores.values()]))
    threshold = every[-int(0.3 * len(every))]
    for name, score in scores.items():
        assert found.values[name] == float((score >= threshold).mean())


def test_the_policy_holds_the_budget() -> None:
    asked = observed()
    assert asked.holds(allocate("snip-density", asked).vector(asked.coupling))


def test_it_says_that_it_needs_gradients() -> None:
    from graphprune.passes.allocate import POLICIES

    assert isinstance(POLICIES, Registry)
    assert POLICIES.needs("snip-density") == {"data", "gradients"}
    with pytest.raises(BadData, match="'snip-density' needs data"):
        allocate("snip-density", problem("resnet20", Budget(params=0.5)))


def test_weights_that_training_leaves_alone_are_refused() -> None:
    first = layers_of("resnet20")[0].name
    with pytest.raises(BadData) as caught:
        allocate("snip-density", observed(fixed=first))
    assert str(caught.value) == (
        "BadData: 'snip-density' needs the gradient of every weight\n"
        f"  where: {first}\n"
        "  why:   training would not change it\n"
        "  fix:   choose allocation 'synflow-density', which needs no gradients"
    )


def test_no_batches_are_refused() -> None:
    with pytest.raises(BadData, match="data holds no batches"):
        allocate("snip-density", observed(0))
