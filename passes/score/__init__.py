"""Score: how important every unit is. One criterion a file."""

from graphprune.passes.score import l1, l2, random
from graphprune.passes.score.aggregate import producers, unit_sums
from graphprune.passes.score.registry import (
    CRITERIA,
    Criterion,
    Tensors,
    criteria,
    criterion,
    score,
)

__all__ = [
    "CRITERIA",
    "Criterion",
    "Tensors",
    "criteria",
    "criterion",
    "l1",
    "l2",
    "producers",
    "random",
    "score",
    "unit_sums",
]
