"""Which channels can be removed with the least change to what the next layer computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.contributions import grams
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores
from graphprune.terms import Floats


@criterion("thinet")
@dataclass(frozen=True)
class ThiNet:
    """The step at which greedy search removes a channel, from 0 for the first to 1.

    Each step removes the channel that, with all those removed before, contributes least to the
    results of the layers that read them: least squares over sampled results. The paper's second
    step, fitting the weights of the kept channels anew, is none of a criterion's.

    Source: Luo et al., "ThiNet: A Filter Level Pruning Method for Deep Neural Network
    Compression", ICCV 2017, section 3.2.2, equation 6 and algorithm 1.

    Attributes:
        samples: Results of each reader that are looked at for every data point, about.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data"})

    samples: int = 10

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; equal seeds sample the same results.

        Raises:
            BadData: There are no data, or nothing is to be sampled.
        """
        found, notes = grams(coupling, evidence, "thinet", self.samples, seed)
        scores = {}
        for group in coupling:
            steps = _removal(found[group.name])
            scores[group.name] = steps.reshape(group.units.shape) / max(1, group.units.size - 1)
        return Scores(scores, "thinet", notes)


def _removal(gram: Floats) -> Floats:
    """The step at which each channel is removed.

    Adding channel j to the removed set T changes ``|sum of contributions|^2`` by
    ``G_jj + 2 sum over i in T of G_ij``.
    """
    change, steps = gram.diagonal().copy(), np.zeros(len(gram))
    for step in range(len(gram)):
        chosen = int(change.argmin())
        steps[chosen] = step
        change += 2 * gram[chosen]
        change[chosen] = np.inf
    return steps
