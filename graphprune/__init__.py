"""A pruning compiler: a network in; a narrower, proven, measurably faster network out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphprune.compiler import apply, check, prune
    from graphprune.inspection import Inspection, inspect
    from graphprune.measure.models import compare
    from graphprune.plan import Plan
    from graphprune.result import Result

_HOME = {
    "Inspection": "graphprune.inspection",
    "Plan": "graphprune.plan",
    "Result": "graphprune.result",
    "apply": "graphprune.compiler",
    "check": "graphprune.compiler",
    "compare": "graphprune.measure.models",
    "inspect": "graphprune.inspection",
    "prune": "graphprune.compiler",
}

__all__ = ["Inspection", "Plan", "Result", "apply", "check", "compare", "inspect", "prune"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that ``import graphprune`` costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphprune' has no attribute '{name}'")
