"""How much the loss would change without a channel, to first order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.aggregate import unit_sums
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores
from graphprune.terms import Floats


@criterion("taylor")
@dataclass(frozen=True)
class Taylor:
    """First-order Taylor expansion of the loss: gradient times weight, squared.

    Over all parameters of a unit, filters that make it, norms and biases, and the columns of those
    that read it; averaged over the batches.

    Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019,
    section 3.1: the importance (g w)^2 of a parameter, and both of the ways given there to
    extend it to a set of parameters.

    Attributes:
        joint: Square the sum over a unit's parameters, as if they were one gate of the channel,
            rather than summing their squares.
    """

    joint: bool = False

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: There are no data, or there is no loss.
        """
        observer = evidence.observed("taylor")
        named = dict.fromkeys(m.param for group in coupling for m in group.members)
        names = [name for name in named if name in observer.learnable]
        weights = {name: evidence(name) for name in names}
        total, batches = np.zeros(coupling.units + 1), 0
        for gradients in observer.gradients(names):
            total += self._batch(coupling, weights, gradients)
            batches += 1
        total /= max(batches, 1)
        return Scores({group.name: total[group.units] for group in coupling}, "taylor")

    def _batch(
        self,
        coupling: Coupling,
        weights: Mapping[str, NDArray[np.generic]],
        gradients: Mapping[str, Array],
    ) -> Floats:
        """The importance of every unit on one batch, ``(units + 1,)``."""
        sums = np.zeros(coupling.units + 1)
        for name, weight in weights.items():
            change = np.multiply(gradients[name], weight)
            for layer in coupling.layers[name]:
                function = np.positive if self.joint else np.square
                sums += unit_sums(change, layer, coupling.units, function)
        return np.square(sums) if self.joint else sums
