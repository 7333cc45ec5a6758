"""Widths near the densities that unstructured GraSP gives the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

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

TEMPERATURE = 200.0


def grasp_density(
    graph: Graph,
    evidence: Evidence,
    layers: Sequence[SizedLayer],
    limits: Limits,
    temperature: float = TEMPERATURE,
) -> Densities:
    """The densities that are left by GraSP's threshold on single weights.

    Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow",
    ICLR 2020, section 4: weights of the largest ``w (H g)`` stay, of the mean loss of all batches.

    Args:
        graph: The network.
        evidence: Weights, and second derivatives on data.
        layers: Its layers.
        limits: What the densities may cost.
        temperature: By what the module's outputs are divided before the loss.

    Raises:
        BadData: There are no data, no loss, or no gradient of a weight.
    """
    first = trained_weights(graph, evidence, "grasp-density")
    observer = evidence.observed("grasp-density")
    flow = mean(observer.hessian_gradients(list(first.values()), temperature))
    return implied(layers, products(first, evidence, flow), limits, "grasp-density")


@policy("grasp-density")
@dataclass(frozen=True)
class GraspDensity:
    """Widths near the layer densities of unstructured GraSP at the same budget.

    Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow",
    ICLR 2020.

    Attributes:
        temperature: By what the module's outputs are divided before the loss, as in the paper.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data", "gradients"})

    temperature: float = TEMPERATURE

    def __call__(self, problem: Problem) -> Widths:
        """Chooses the widths.

        Raises:
            BadData: There are no data or no loss.
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        return widths_by(
            problem, "grasp-density", partial(grasp_density, temperature=self.temperature)
        )
