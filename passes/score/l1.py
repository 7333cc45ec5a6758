"""The L1 norm of a channel's filters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import (
    Aggregate,
    Aggregating,
    element_sums,
    producer_norms,
)
from graphprune.passes.score.registry import Tensors, criterion
from graphprune.scores import Scores


@criterion("l1")
@dataclass(frozen=True)
class L1(Aggregating):
    """Sum of absolute weights of the filters that make a channel.

    Source: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1.

    Attributes:
        aggregate: What counts where several layers make the channels of a group.
    """

    aggregate: Aggregate = "mean"

    def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random."""
        sums = partial(element_sums, function=np.abs)
        found = producer_norms(coupling, tensors, sums, np.positive)
        return Scores(self.aggregated(found), "l1")
