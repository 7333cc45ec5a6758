"""Allocation problems of whole networks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.passes.allocate import Problem
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.couple import couple
from graphprune.scores import Scores
from graphprune.terms import Floats
from tests import cifar

NETWORKS = {
    "resnet20": cifar.resnet20,
    "mobilenet_v2": cifar.mobilenet_v2,
    "efficientnet_b0": cifar.efficientnet_b0,
}


@lru_cache
def model_of(name: str) -> CostModel:
    """The cost of a network, which brings its coupling along."""
    return CostModel.of(couple(NETWORKS[name]()))


def layers_of(name: str) -> tuple[SizedLayer, ...]:
    """The layers of a network."""
    model = model_of(name)
    return sized_layers(model.coupling, model)


def problem(name: str, budget: Budget, round_to: int = 1) -> Problem:
    """A network's problem, with weights drawn at random."""
    return stated(model_of(name).coupling, budget, round_to)


def stated(coupling: Coupling, budget: Budget, round_to: int = 1) -> Problem:
    """Any network's problem, with weights drawn at random."""
    rng, model = np.random.default_rng(0), CostModel.of(coupling)
    contents = {v.name: rng.standard_normal(v.known_shape) for v in coupling.graph.params}
    scores = Scores({group.name: np.ones(group.units.shape) for group in coupling})
    return Problem.of(
        coupling,
        scores,
        model,
        budget.resolve(model.full),
        round_to=round_to,
        evidence=Evidence(contents.__getitem__),
    )


def log_densities(asked: Problem, widths: dict[str, int]) -> Floats:
    """The logarithm of the density of every dense layer, found by counting its weights."""
    alive, graph = asked.coupling.everything(), asked.coupling.graph
    for group in asked.coupling:
        alive[group.units[:, widths[group.name] :]] = False
    sizes = {value.source or value.name: value for value in graph.params}
    return np.array(
        [
            np.log(np.prod(asked.coupling.shape(sizes[layer.name].name, alive)) / layer.weights)
            for layer in sized_layers(asked.coupling, asked.model)
            if layer.dense
        ]
    )
