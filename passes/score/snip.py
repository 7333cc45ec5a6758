"""How strongly the loss depends on whether a channel is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.data import mean
from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import Aggregate, Aggregating, parts_of
from graphprune.passes.score.gradients import members
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores


@criterion("snip")
@dataclass(frozen=True)
class Snip(Aggregating):
    """Connection sensitivity: the magnitude of weight times gradient of the loss.

    Of all parameters of a unit: filters that make it, norms and biases, and the columns of those
    that read it. The gradient is that of the loss averaged over all batches, taken once; the
    paper takes it at initialisation, on one batch.

    Source: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity",
    ICLR 2019, section 4.1, before the division by the sum over the network, which ranks alike.

    Attributes:
        aggregate: What counts of the sums in each of a unit's parameters.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data", "gradients"})

    aggregate: Aggregate = "sum"

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: There are no data, or there is no loss.
        """
        observer = evidence.observed("snip")
        gradients = mean(observer.gradients(members(coupling, observer)))
        products = {name: np.multiply(evidence(name), g) for name, g in gradients.items()}
        return Scores(self.aggregated(parts_of(coupling, products, np.abs)), "snip")
