"""The L2 norm of a channel's filters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import (
    Aggregate,
    Aggregating,
    producer_norms,
    square_sums,
)
from graphprune.passes.score.registry import Tensors, criterion
from graphprune.scores import Scores


@criterion("l2")
@dataclass(frozen=True)
class L2(Aggregating):
    """Euclidean norm of the filters that make a channel.

    Source: He et al., "Soft Filter Pruning for Accelerating Deep CNNs", IJCAI 2018,
    section 3.3, "Filter selection", with p = 2.

    Attributes:
        aggregate: What counts where several layers make the channels of a group.
    """

    aggregate: Aggregate = "mean"

    def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random."""
        found = producer_norms(coupling, tensors, square_sums, np.sqrt)
        return Scores(self.aggregated(found), "l2")
