"""How each ONNX operator is lowered, one file a family."""

from graphprune.frontends.onnx.ops import (
    attention,
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
    "attention",
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
