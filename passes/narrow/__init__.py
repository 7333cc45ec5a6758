"""The rewrite pass: slice parameters, respell operators, write."""

from graphprune.passes.narrow.cuts import Cut, cuts, take
from graphprune.passes.narrow.edit import Narrowed
from graphprune.passes.narrow.narrow import narrow
from graphprune.passes.narrow.write import fits, materialise, replacing, write

__all__ = ["Cut", "Narrowed", "cuts", "fits", "materialise", "narrow", "replacing", "take", "write"]
