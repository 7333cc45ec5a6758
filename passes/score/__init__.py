"""Score: how important every unit is. One criterion a file."""

from graphprune.passes.score import (
    bn_scale,
    fpgm,
    grasp,
    l1,
    l2,
    lasso,
    pfp,
    random,
    snip,
    synflow,
    taylor,
    thinet,
)
from graphprune.passes.score.aggregate import producers
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
    "grasp",
    "l1",
    "l2",
    "lasso",
    "pfp",
    "producers",
    "random",
    "score",
    "snip",
    "synflow",
    "taylor",
    "thinet",
]
