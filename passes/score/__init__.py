"""Score: how important every unit is. One criterion a file."""

from graphprune.passes.score import bn_scale, l1, l2, random, taylor
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
    "bn_scale",
    "criteria",
    "criterion",
    "l1",
    "l2",
    "producers",
    "random",
    "score",
    "taylor",
    "unit_sums",
]
