"""A pruning compiler: a network in; a narrower, proven, measurably faster network out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphprune.compiler import apply, check, load, prune, save
    from graphprune.expected_flow import SynExp, synexp
    from graphprune.exporting import Exported, export
    from graphprune.inspection import Inspection, inspect
    from graphprune.layer_densities import Densities, densities
    from graphprune.measure.models import compare
    from graphprune.module_result import ModuleResult
    from graphprune.plan import Plan
    from graphprune.result import Result
    from graphprune.training import Schedule, SoftPruning
    from graphprune.untrained import preconfig, precrop

_HOME = {
    "Densities": "graphprune.layer_densities",
    "Exported": "graphprune.exporting",
    "Inspection": "graphprune.inspection",
    "ModuleResult": "graphprune.module_result",
    "Plan": "graphprune.plan",
    "Result": "graphprune.result",
    "Schedule": "graphprune.training",
    "SoftPruning": "graphprune.training",
    "SynExp": "graphprune.expected_flow",
    "apply": "graphprune.compiler",
    "check": "graphprune.compiler",
    "compare": "graphprune.measure.models",
    "densities": "graphprune.layer_densities",
    "export": "graphprune.exporting",
    "inspect": "graphprune.inspection",
    "load": "graphprune.compiler",
    "preconfig": "graphprune.untrained",
    "precrop": "graphprune.untrained",
    "prune": "graphprune.compiler",
    "save": "graphprune.compiler",
    "synexp": "graphprune.expected_flow",
}

__all__ = [
    "Densities",
    "Exported",
    "Inspection",
    "ModuleResult",
    "Plan",
    "Result",
    "Schedule",
    "SoftPruning",
    "SynExp",
    "apply",
    "check",
    "compare",
    "densities",
    "export",
    "inspect",
    "load",
    "preconfig",
    "precrop",
    "prune",
    "save",
    "synexp",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that ``import graphprune`` costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphprune' has no attribute '{name}'")
