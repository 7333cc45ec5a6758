"""Random scores repeat with the seed."""

from __future__ import annotations

import numpy as np

from graphprune.passes.score import score
from tests.networks import residual


def never(name: str) -> np.ndarray:
    raise AssertionError(f"{name} is read")


def test_equal_seeds_give_equal_scores_without_reading_a_weight() -> None:
    coupling = residual()
    one, same, other = (score("random", coupling, never, seed) for seed in (1, 1, 2))
    for group in coupling:
        assert np.array_equal(one[group.name], same[group.name])
        assert not np.array_equal(one[group.name], other[group.name])
