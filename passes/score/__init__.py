"""Score: how important every unit is. One criterion a file."""

from graphprune.passes.score import bn_scale, fpgm, l1, l2, lasso, pfp, random, taylor, thinet
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
    "fpgm",
    "l1",
    "l2",
    "lasso",
    "pfp",
    "producers",
    "random",
    "score",
    "taylor",
    "thinet",
    "unit_sums",
]
