"""Widths near the densities that unstructured SynFlow gives the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.ir import Graph
from graphprune.passes.allocate.densities import Densities, Limits, named, sizes_of
from graphprune.passes.allocate.implied import implied
from graphprune.passes.allocate.layers import SizedLayer
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.allocate.toward import widths_by
from graphprune.passes.linearise import synflow
from graphprune.scores import Widths


def synflow_density(
    graph: Graph,
    evidence: Evidence,
    layers: Sequence[SizedLayer],
    limits: Limits,
    rounds: int = 100,
) -> Densities:
    """The densities that are left by SynFlow's threshold on single weights.

    Layers of gates, which the flow bypasses, keep the mean density.

    Args:
        graph: The network.
        evidence: Its weights.
        layers: Its layers.
        limits: What the densities may cost.
        rounds: Rounds of scoring.

    Raises:
        UnsupportedModel: An operation has no linear counterpart; the message names it.
    """
    sizes, macs = sizes_of(layers)
    share = min(1.0, limits.weights / sizes.sum(), limits.macs / max(1.0, macs.sum()))
    scores = synflow(graph, evidence.contents, keep=share, rounds=rounds)
    gated = np.array([layer.gated for layer in layers])
    rest = Limits(
        limits.weights - share * sizes[gated].sum(), limits.macs - share * macs[gated].sum()
    )
    open_layers = [layer for layer in layers if not layer.gated]
    found = implied(open_layers, scores, rest, "synflow-density").values
    values = [found.get(layer.name, share) for layer in layers]
    return named(layers, np.array(values), "synflow-density")


@policy("synflow-density")
@dataclass(frozen=True)
class SynflowDensity:
    """Widths near the layer densities of unstructured SynFlow at the same budget.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving
    synaptic flow", NeurIPS 2020.

    Attributes:
        rounds: Rounds of scoring and removing.
    """

    rounds: int = 100

    def __post_init__(self) -> None:
        """Refuses a number of rounds that is none.

        Raises:
            BadData: ``rounds`` is less than 1.
        """
        if self.rounds < 1:
            raise BadData(f"rounds is {self.rounds}", fix="give a positive number")

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            BadData: The weights are not at hand.
            InfeasibleBudget: The narrowest choices exceed a bound.
            UnsupportedModel: An operation has no linear counterpart.
        """
        return widths_by(problem, "synflow-density", partial(synflow_density, rounds=self.rounds))
