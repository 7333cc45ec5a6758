"""Select: which units live. One selector a file."""

from graphprune.passes.select import mixed, sample, top
from graphprune.passes.select.reach import Reach, reach
from graphprune.passes.select.registry import SELECTORS, Selector, select, selector, selectors

__all__ = [
    "SELECTORS",
    "Reach",
    "Selector",
    "mixed",
    "reach",
    "sample",
    "select",
    "selector",
    "selectors",
    "top",
]
