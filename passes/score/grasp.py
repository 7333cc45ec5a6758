"""How much of the gradients' flow through the network a channel carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.data import mean
from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import Aggregate, Aggregating, parts_of
from graphprune.passes.score.gradients import learnable
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores


@criterion("grasp")
@dataclass(frozen=True)
class Grasp(Aggregating):
    """Gradient signal preservation: weight times (Hessian times gradient).

    To first order, setting a weight w to 0 changes the squared norm of the gradient g by
    -2 w (H g). So w (H g) is what the norm loses with the weight, up to the factor: the larger it
    is, the more the weight is needed, and weights below 0 only dampen training. The paper states
    the same as the score -w (H g), of which the *largest* are removed. Over all parameters of a
    unit; g and H are those of the loss averaged over all batches, by all that training changes.

    Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow",
    ICLR 2020, section 4.

    Attributes:
        temperature: By what the module's outputs are divided before the loss, as in the paper.
        aggregate: What counts of the sums in each of a unit's parameters.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data", "gradients"})

    temperature: float = 200.0
    aggregate: Aggregate = "sum"

    def __post_init__(self) -> None:
        """Refuses options out of range.

        Raises:
            BadData: One is.
        """
        super().__post_init__()
        if not 0 < self.temperature < np.inf:
            raise BadData(f"temperature is {self.temperature}", fix="give a positive number")

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: There are no data or no loss, or several batches are given by an iterator.
            UnsupportedModel: Something has no second derivative.
        """
        observer = evidence.observed("grasp")
        names = learnable(coupling, observer)
        found = mean(observer.hessian_gradients(names, self.temperature))
        products = {name: np.multiply(evidence(name), hg) for name, hg in found.items()}
        return Scores(self.aggregated(parts_of(coupling, products, np.positive)), "grasp")
