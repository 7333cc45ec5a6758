"""Densities that SynFlow implies: from weights alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

import graphprune
from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.passes.allocate import allocate
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.synflow_density import synflow_density
from tests.onnxtext import model
from tests.passes.allocate.problems import layers_of, problem


@pytest.mark.parametrize("budget", [Budget(params=0.2), Budget(params=0.5, macs=0.3)])
def test_densities_meet_the_budget(budget: Budget) -> None:
    asked, layers = problem("resnet20", budget), layers_of("resnet20")
    assert asked.evidence is not None
    limits = Limits.of(layers, budget)
    graph = asked.coupling.graph
    found = synflow_density(graph, asked.evidence, layers, limits, rounds=4)
    macs = sum(found.values[layer.name] * layer.macs for layer in layers)
    used = max(found.kept * 270_896 / limits.weights, macs / limits.macs)
    assert 0.99 < used <= 1


def test_layers_of_gates_keep_the_mean_density() -> None:
    asked, layers = problem("efficientnet_b0", Budget(params=0.5)), layers_of("efficientnet_b0")
    assert asked.evidence is not None
    limits = Limits.of(layers, Budget(params=0.5))
    found = synflow_density(asked.coupling.graph, asked.evidence, layers, limits, rounds=1)
    assert {found.values[layer.name] for layer in layers if layer.gated} == {0.5}
    assert found.kept == pytest.approx(0.5, abs=1e-3)


def test_the_policy_needs_the_weights_and_holds_the_budget() -> None:
    asked = problem("resnet20", Budget(params=0.5))
    widths = allocate("synflow-density:rounds=3", asked)
    assert asked.holds(widths.vector(asked.coupling))
    with pytest.raises(BadData) as caught:
        allocate("synflow-density", replace(asked, evidence=None))
    assert str(caught.value) == (
        "BadData: allocation 'synflow-density' needs the weights of the model\n"
        "  why:   it scores them by itself\n"
        "  fix:   state the problem with evidence="
    )


def test_no_rounds_are_refused() -> None:
    with pytest.raises(BadData, match="rounds is 0"):
        allocate("synflow-density:rounds=0", problem("resnet20", Budget(params=0.5)))


def test_pruning_hands_the_weights_on() -> None:
    proto = model("""
        net (float[N,3,4,4] x) => (float[N,2,4,4] y) <float[8,3,3,3] a, float[2,8,1,1] b> {
            h = Conv <pads = [1, 1, 1, 1]> (x, a)
            r = Relu (h)
            y = Conv (r, b)
        }
    """)
    result = graphprune.prune(proto, params=0.6, allocation="synflow-density:rounds=3")
    assert result.proof.ok
    assert result.plan.method["allocation"] == "synflow-density:rounds=3"
