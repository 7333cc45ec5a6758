"""Select: which units live. One selector a file."""

from graphprune.passes.select import top
from graphprune.passes.select.registry import SELECTORS, Selector, select, selector, selectors

__all__ = ["SELECTORS", "Selector", "select", "selector", "selectors", "top"]
