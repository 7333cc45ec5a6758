"""Layer densities of a model: how many of its weights every layer would keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.inspection import Inspection, inspect, is_module
from graphprune.ir import Graph
from graphprune.ir.graph import Shape
from graphprune.passes.allocate.densities import Densities, Limits, uniform
from graphprune.passes.allocate.erk import erk
from graphprune.passes.allocate.grasp_density import grasp_density
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from graphprune.passes.allocate.snip_density import snip_density
from graphprune.passes.allocate.synflow_density import synflow_density
from graphprune.passes.allocate.water_filling import precrop

__all__ = ["RULES", "Densities", "densities"]

_BY_SHAPE: Mapping[str, Callable[[Sequence[SizedLayer], Limits], Densities]] = {
    "erk": erk,
    "precrop": precrop,
    "uniform": uniform,
}
_IMPLIED: Mapping[str, Callable[[Graph, Evidence, Sequence[SizedLayer], Limits], Densities]] = {
    "grasp-density": grasp_density,
    "snip-density": snip_density,
    "synflow-density": synflow_density,
}
RULES = tuple(sorted([*_BY_SHAPE, *_IMPLIED]))
"""What densities may go by."""


def densities(
    model: Any,
    example_inputs: Any = None,
    *,
    params: float | str | None = None,
    macs: float | str | None = None,
    rule: str = "precrop",
    data: Iterable[Any] | None = None,
    loss: Any = None,
    shapes: Mapping[str, Shape] | None = None,
) -> Densities:
    """The fraction of its weights that every layer keeps within a budget.

    Every layer counts on its own, coupled or not: the densities are for masks on single weights,
    filters or channels. Biases and norms are left out of the budget.

    Args:
        model: A path, a ModelProto, an nn.Module or an ExportedProgram.
        example_inputs: What an nn.Module is called with.
        params: Most weights: a fraction of all, or an absolute number.
        macs: Most multiply-accumulates, those by masked weights not counted.
        rule: One of :data:`RULES`.
        data: Batches, for ``snip-density`` and ``grasp-density``; so is ``loss``.
        loss: Called with the module and a batch, or with outputs and targets.
        shapes: Input shapes by name, where an ONNX model leaves them open.

    Raises:
        BadData: There is no such rule, or it needs data or a loss that were not given.
        InfeasibleBudget: The budget leaves no weight at all.
        UnsupportedModel: The module cannot be traced, or the rule cannot follow an operation.
    """
    _require(rule)
    found = inspect(model, example_inputs, shapes=shapes)
    layers = sized_layers(found.coupling, found.cost_model)
    limits = Limits.of(layers, Budget.parse({"params": params, "macs": macs}))
    if rule in _BY_SHAPE:
        return _BY_SHAPE[rule](layers, limits)
    evidence = _evidence(found, model, data, loss)
    return _IMPLIED[rule](found.coupling.graph, evidence, layers, limits)


def _require(rule: str) -> None:
    if rule not in RULES:
        raise BadData(f"no rule is called '{rule}'", fix=f"choose one of: {', '.join(RULES)}")


def _evidence(
    found: Inspection[Any], model: Any, data: Iterable[Any] | None, loss: Any
) -> Evidence:
    if data is None or not is_module(model):
        missing = "give an nn.Module, data= and loss="
        return Evidence(found.lowered.contents, missing=missing)
    from graphprune.pipelines.torch import evidence_of

    return evidence_of(found, data, loss)
