"""How much the loss would change without a channel, to first order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.data import mean
from graphprune.errors import BadData
from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import Aggregate, Aggregating, Parts, parts_of
from graphprune.passes.score.gradients import members
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores


@criterion("taylor")
@dataclass(frozen=True)
class Taylor(Aggregating):
    """First-order Taylor expansion of the loss: gradient times weight, squared.

    Over all parameters of a unit, filters that make it, norms and biases, and the columns of those
    that read it; averaged over the batches.

    Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019,
    section 3.1: the importance (g w)^2 of a parameter, and both of the ways given there to
    extend it to a set of parameters.

    Attributes:
        joint: Square the sum over a unit's parameters, as if they were one gate of the channel,
            rather than summing their squares.
        aggregate: What counts of the sums in each of a unit's parameters, where not ``joint``.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data", "gradients"})

    joint: bool = False
    aggregate: Aggregate = "sum"

    def __post_init__(self) -> None:
        """Refuses options that contradict each other.

        Raises:
            BadData: They do.
        """
        super().__post_init__()
        if self.joint and self.aggregate != "sum":
            raise BadData(
                f"joint and aggregate={self.aggregate} exclude each other",
                why="joint takes the sum over all parameters as one gate",
                fix="leave one of them out",
            )

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: There are no data, or there is no loss.
        """
        observer = evidence.observed("taylor")
        weights = {name: evidence(name) for name in members(coupling, observer)}
        found = mean(
            self._batch(coupling, {n: np.multiply(gradients[n], w) for n, w in weights.items()})
            for gradients in observer.gradients(list(weights))
        )
        return Scores(self.aggregated(found), "taylor")

    def _batch(self, coupling: Coupling, changes: Mapping[str, Array]) -> Parts:
        """The importance of every unit on one batch, ``(parameters, rows, width)`` by group."""
        if not self.joint:
            return parts_of(coupling, changes, np.square)
        sums = parts_of(coupling, changes, np.positive)
        return {name: np.square(x.sum(axis=0, keepdims=True)) for name, x in sums.items()}
