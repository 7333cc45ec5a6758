"""What commands print with ``--json``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from graphprune.groups import Frozen, Group
from graphprune.inspection import Inspection
from graphprune.report.layers import weight_layers
from graphprune.report.tables import macs_shares
from graphprune.result import Result


def dumped(document: Any) -> str:
    """A document as JSON; numbers that are not finite, which JSON has no words for, are null."""
    return json.dumps(_finite(document), indent=2, allow_nan=False)


def _finite(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def inspection_document(
    inspection: Inspection[Any], size: int | None, assumed: Sequence[str] = ()
) -> dict[str, Any]:
    """Everything that was found in a model.

    Args:
        inspection: What was found.
        size: Bytes of its files, or None.
        assumed: Inputs whose shape is neither fixed nor given.
    """
    model, coupling = inspection.lowered.model, inspection.coupling
    shares = macs_shares(inspection.cost_model)
    layers = weight_layers(coupling)
    values = coupling.graph.values
    return {
        "model": str(model.path) if model.path else None,
        "sha256": model.sha256,
        "inputs": {
            name: {"shape": list(shape), "dtype": values[name].dtype}
            for name, shape in inspection.lowered.inputs.items()
        },
        "shapes_assumed": list(assumed),
        "cost": {**asdict(inspection.cost_model.full), "bytes": size},
        "groups": [_group(group, shares[group.name]) for group in coupling],
        "frozen": [_frozen(frozen) for frozen in coupling.frozen],
        "kept_as_asked": list(inspection.kept),
        "coverage": {
            family: {
                "layers": sum(layer.family == family for layer in layers),
                "prunable": sum(layer.family == family and layer.prunable for layer in layers),
            }
            for family in dict.fromkeys(layer.family for layer in layers)
        },
    }


def _group(group: Group, share: float) -> dict[str, Any]:
    return {
        "name": group.name,
        "width": group.width,
        "rows": group.rows,
        "approximate": list(group.approximate),
        "macs_share": share,
        "members": [{"param": m.param, "axis": m.axis, "role": m.role} for m in group.members],
    }


def _frozen(frozen: Frozen) -> dict[str, Any]:
    return {
        "param": frozen.param,
        "axis": frozen.axis,
        "width": frozen.width,
        "frozen": frozen.partial,
        "role": frozen.role,
        "reason": list(frozen.reason),
    }


def result_document(result: Result, sizes: tuple[int, int] | None) -> dict[str, Any]:
    """Everything known about a narrowed model.

    Args:
        result: The result.
        sizes: Bytes of the files before and after, where both were written.
    """
    before, after = (asdict(cost) for cost in result.cost)
    if sizes is not None:
        before["bytes"], after["bytes"] = sizes
    return {
        "cost": {"before": before, "after": after},
        "budget": result.plan.budget.to_dict(),
        "method": dict(result.plan.method),
        "seed": result.plan.seed,
        "groups": [asdict(group) for group in result.plan.groups],
        "guarantees": [asdict(guarantee) for guarantee in result.guarantees],
        "proof": result.proof.to_dict(),
        "notes": list(result.notes),
    }
