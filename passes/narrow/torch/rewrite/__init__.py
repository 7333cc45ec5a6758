"""How calls of a traced graph are written in the narrowed one, one file a family of operators."""

from graphprune.passes.narrow.torch.rewrite import (
    creation,
    gathering,
    joining,
    layers,
    layout,
    padding,
    slicing,
)
from graphprune.passes.narrow.torch.rewrite.site import RESPELL, Site, Spelling, Table, respells

__all__ = [
    "RESPELL",
    "Site",
    "Spelling",
    "Table",
    "creation",
    "gathering",
    "joining",
    "layers",
    "layout",
    "padding",
    "respells",
    "slicing",
]
