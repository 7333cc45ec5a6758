"""Which channels a sparse regression of the next layer's results takes up first."""

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

# Penalties, from the one at which nothing is taken up to a thousandth of it.
_PENALTIES = np.logspace(0, -3, 60)
_SWEEPS, _CLOSE = 30, 1e-4


@criterion("lasso")
@dataclass(frozen=True)
class Lasso:
    """The largest L1 penalty at which a regression on contributions takes a channel up.

    Results of the layers that read a group are regressed on its channels' contributions to them,
    with one coefficient a channel; the penalty falls from 1, where all coefficients are 0, to
    0.001. Among channels that are taken up together the larger coefficient counts more. The
    paper's second step, fitting the weights of the kept channels anew, is none of a criterion's.

    Source: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017,
    section 3.1, equation 2, the subproblem of the coefficients.

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
        found, notes = grams(coupling, evidence, "lasso", self.samples, seed)
        scores = {g.name: _taken_up(found[g.name]).reshape(g.units.shape) for g in coupling}
        return Scores(scores, "lasso", notes)


def _taken_up(gram: Floats) -> Floats:
    """The relative penalty at which each coefficient leaves 0, plus a trifle for its size."""
    target = gram.sum(axis=1)  # the products of contributions with the results, their sum
    highest = float(np.abs(target).max(initial=0))
    beta, entered = np.zeros(len(gram)), np.zeros(len(gram))
    if highest == 0:
        return entered
    ties = np.zeros(len(gram))
    for penalty in _PENALTIES:
        beta = _descend(gram, target, beta, penalty * highest)
        fresh = (beta != 0) & (entered == 0)
        entered[fresh] = penalty
        ties[fresh] = np.abs(beta[fresh])
    # Less than the smallest penalty, so that it only decides between equals.
    return np.asarray(entered + 1e-4 * ties / max(1.0, float(ties.max())))


def _descend(gram: Floats, target: Floats, beta: Floats, penalty: float) -> Floats:
    """Coordinate descent on ``|A beta - y|^2 / 2 + penalty |beta|_1``."""
    beta, rest = beta.copy(), target - gram @ beta
    live = np.flatnonzero(gram.diagonal() > 0)
    for _ in range(_SWEEPS):
        largest = 0.0
        for j in live:
            pull = rest[j] + gram[j, j] * beta[j]
            new = np.sign(pull) * max(0.0, abs(pull) - penalty) / gram[j, j]
            if new != beta[j]:
                rest -= gram[j] * (new - beta[j])
                largest = max(largest, abs(new - beta[j]))
                beta[j] = new
        if largest < _CLOSE:
            break
    return beta
