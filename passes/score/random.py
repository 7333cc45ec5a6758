"""Random scores: the baseline every other criterion has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.score.registry import Tensors, criterion
from graphprune.scores import Scores


@criterion("random")
@dataclass(frozen=True)
class Random:
    """Independent uniform numbers between 0 and 1."""

    def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
        """Scores the units of every group; equal seeds give equal scores."""
        rng = np.random.default_rng(seed)
        return Scores({group.name: rng.random(group.units.shape) for group in coupling}, "random")
