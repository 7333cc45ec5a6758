"""Dependency analysis: which channels live and die together.

One rule file per family of ops; see :func:`couple`.
"""

from graphprune.passes.couple import (
    contraction,
    convolution,
    movement,
    normalisation,
    pointwise,
    recurrent,
    reduction,
    scatter,
)
from graphprune.passes.couple.context import RULES
from graphprune.passes.couple.couple import couple

__all__ = [
    "RULES",
    "contraction",
    "convolution",
    "couple",
    "movement",
    "normalisation",
    "pointwise",
    "recurrent",
    "reduction",
    "scatter",
]
