"""Widths near the densities that unstructured SNIP gives the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.data import mean
from graphprune.evidence import Evidence
from graphprune.ir import Graph
from graphprune.passes.allocate.densities import Densities, Limits
from graphprune.passes.allocate.implied import implied, products, trained_weights
from graphprune.passes.allocate.layers import SizedLayer
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import policy
from graphprune.passes.allocate.toward import widths_by
from graphprune.scores import Widths


def snip_density(
    graph: Graph, evidence: Evidence, layers: Sequence[SizedLayer], limits: Limits
) -> Densities:
    """The densities that are left by SNIP's threshold on single weights.

    Source: Lee et al., "SNIP: Single-shot network pruning based on connection sensitivity",
    ICLR 2019, equation 5: ``|w dL/dw|``, the gradient averaged over all batches.

    Args:
        graph: The network.
        evidence: Weights, and gradients on data.
        layers: Its layers.
        limits: What the densities may cost.

    Raises:
        BadData: There are no data, no loss, or no gradient of a weight.
    """
    first = trained_weights(graph, evidence, "snip-density")
    gradients = mean(evidence.observed("snip-density").gradients(list(first.values())))
    changes = products(first, evidence, gradients)
    scores = {source: np.abs(change) for source, change in changes.items()}
    return implied(layers, scores, limits, "snip-density")


@policy("snip-density")
@dataclass(frozen=True)
class SnipDensity:
    """Widths near the layer densities of unstructured SNIP at the same budget.

    Source: Lee et al., "SNIP: Single-shot network pruning based on connection sensitivity",
    ICLR 2019.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data", "gradients"})

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            BadData: There are no data or no loss.
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        return widths_by(problem, "snip-density", snip_density)
