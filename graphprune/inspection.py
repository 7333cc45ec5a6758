"""What may be cut of a model: load, lower, couple."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx

from graphprune.cost import CostModel
from graphprune.errors import BadData, UnsupportedModel
from graphprune.frontends.onnx import Lowered, OnnxModel, load, lower
from graphprune.groups import Coupling, Group
from graphprune.ir.graph import Shape
from graphprune.passes.couple import couple

Model = str | Path | onnx.ModelProto


@dataclass(frozen=True, eq=False)
class Inspection:
    """A model and what may be cut of it.

    Attributes:
        lowered: The model and its graph.
        coupling: Groups that may be narrowed, frozen axes with reasons.
        kept: Names of groups that ``keep`` patterns excluded.
    """

    lowered: Lowered
    coupling: Coupling
    kept: tuple[str, ...] = ()

    @cached_property
    def cost_model(self) -> CostModel:
        """Cost as a function of the widths."""
        return CostModel.of(self.coupling)


def inspect(
    model: Model | OnnxModel,
    *,
    shapes: Mapping[str, Shape] | None = None,
    keep: Sequence[str] = (),
    exact: bool = False,
) -> Inspection:
    """Find what may be cut.

    Args:
        model: A path or a ModelProto.
        shapes: Input shapes by name, where the model leaves them open.
        keep: Patterns (``*``, ``?``) of parameters, nodes or groups that must stay whole.
        exact: Keep groups whole whose narrowing is only approximate (layer norms).

    Raises:
        InvalidModel: It is not a usable ONNX model.
        BadData: A pattern matches nothing.
    """
    lowered = lower(model if isinstance(model, OnnxModel) else load(model), shapes)
    coupling = couple(lowered.graph)
    protected = _protected(coupling, keep)
    kept = tuple(g.name for g in coupling if g.name in protected or (exact and not g.exact))
    groups = tuple(g for g in coupling if g.name not in kept)
    return Inspection(lowered, replace(coupling, groups=groups), kept)


def without(inspection: Inspection, error: UnsupportedModel) -> tuple[Inspection, tuple[str, ...]]:
    """The same model, the groups kept whole that an operator cannot follow.

    Args:
        inspection: As it was.
        error: What the narrow pass raised; its ``where`` names the operator.

    Returns:
        The inspection, and the names of the groups.

    Raises:
        UnsupportedModel: No group touches that operator.
    """
    coupling = inspection.coupling
    near: set[int] = set()
    for node in coupling.graph.nodes:
        if node.title == error.where:
            for name in (*node.inputs, *node.outputs):
                for layer in coupling.layers.get(name, ()):
                    near.update(np.unique(layer.ids).tolist())
    names = tuple(g.name for g in coupling if near & set(g.units.ravel().tolist()))
    if not names:
        raise error
    groups = tuple(g for g in coupling if g.name not in names)
    narrower = replace(coupling, groups=groups)
    return Inspection(inspection.lowered, narrower, inspection.kept + names), names


def _protected(coupling: Coupling, keep: Sequence[str]) -> set[str]:
    """Groups that touch anything a pattern names."""
    readers: dict[str, set[str]] = {}
    for node in coupling.graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).update((node.title, *node.outputs))
    everything = {g.name: _names(g, coupling, readers) for g in coupling}
    frozen = {name for f in coupling.frozen for name in (f.param, _layer(f.param))}
    found: set[str] = set()
    for pattern in keep:
        hit = {g for g, names in everything.items() if any(fnmatchcase(n, pattern) for n in names)}
        if not hit and not any(fnmatchcase(name, pattern) for name in frozen):
            raise BadData(
                f"--keep {pattern!r} matches no layer",
                fix="see the names with: graphprune inspect MODEL",
            )
        found |= hit
    return found


def _names(group: Group, coupling: Coupling, readers: Mapping[str, set[str]]) -> set[str]:
    params = {m.param for m in group.members}
    sources = {coupling.graph.values[p].source for p in params}
    known = {group.name} | params | sources | {n for p in params for n in readers.get(p, ())}
    return known | {_layer(name) for name in params | sources}


def _layer(param: str) -> str:
    """A layer's name, given its weight's or bias's: ``layer4.2.conv3`` of ``….conv3.weight``."""
    return param.rpartition(".")[0] or param
