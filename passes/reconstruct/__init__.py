"""Reconstruct: what the kept weights become, in closed form."""

from graphprune.passes.reconstruct.patch import Patch, lines, patch
from graphprune.passes.reconstruct.planned import planned

__all__ = ["Patch", "lines", "patch", "planned"]
