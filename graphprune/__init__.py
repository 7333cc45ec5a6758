"""A pruning compiler: a network in; a narrower, proven, measurably faster network out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphprune.compiler import apply, check, load, prune, save
    from graphprune.exporting import Exported, export
    from graphprune.inspection import Inspection, inspect
    from graphprune.measure.models import compare
    from graphprune.module_result import ModuleResult
    from graphprune.plan import Plan
    from graphprune.result import Result
    from graphprune.training import Schedule, SoftPruning

_HOME = {
    "Exported": "graphprune.exporting",
    "Inspection": "graphprune.inspection",
    "ModuleResult": "graphprune.module_result",
    "Plan": "graphprune.plan",
    "Result": "graphprune.result",
    "Schedule": "graphprune.training",
    "SoftPruning": "graphprune.training",
    "apply": "graphprune.compiler",
    "check": "graphprune.compiler",
    "compare": "graphprune.measure.models",
    "export": "graphprune.exporting",
    "inspect": "graphprune.inspection",
    "load": "graphprune.compiler",
    "prune": "graphprune.compiler",
    "save": "graphprune.compiler",
}

__all__ = [
    "Exported",
    "Inspection",
    "ModuleResult",
    "Plan",
    "Result",
    "Schedule",
    "SoftPruning",
    "apply",
    "check",
    "compare",
    "export",
    "inspect",
    "load",
    "prune",
    "save",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that ``import graphprune`` costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphprune' has no attribute '{name}'")
