"""How each ONNX operator is lowered, one file a family."""

from graphprune.frontends.onnx.ops import (
    contraction,
    convolution,
    elementwise,
    movement,
    normalisation,
    qlinear,
    quantisation,
    recurrent,
    reduction,
    selection,
)

__all__ = [
    "contraction",
    "convolution",
    "elementwise",
    "movement",
    "normalisation",
    "qlinear",
    "quantisation",
    "recurrent",
    "reduction",
    "selection",
]
