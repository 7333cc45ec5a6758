"""What may be cut of a model: load or trace, lower, couple."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from graphprune.cost import CostModel
from graphprune.errors import BadData, UnsupportedModel
from graphprune.frontends.onnx import Lowered, OnnxModel, load, lower
from graphprune.groups import Coupling, Group
from graphprune.ir import Graph
from graphprune.ir.graph import Shape
from graphprune.passes.couple import couple

if TYPE_CHECKING:
    from graphprune.frontends.torch import Example, TracedModule

Model = str | Path | onnx.ModelProto


class Native(Protocol):
    """A model and the graph it was lowered to."""

    @property
    def graph(self) -> Graph:
        """The canonical graph."""

    def contents(self, name: str) -> NDArray[Any]:
        """The contents of a parameter value of the graph."""


N = TypeVar("N", bound=Native)


@dataclass(frozen=True, eq=False)
class Inspection(Generic[N]):
    """A model and what may be cut of it.

    Attributes:
        lowered: The model and its graph: ``Lowered`` for ONNX, ``TracedModule`` for PyTorch.
        coupling: Groups that may be narrowed, frozen axes with reasons.
        kept: Names of groups that ``keep`` patterns excluded.
    """

    lowered: N
    coupling: Coupling
    kept: tuple[str, ...] = ()

    @cached_property
    def cost_model(self) -> CostModel:
        """Cost as a function of the widths."""
        return CostModel.of(self.coupling)


def is_module(model: object) -> bool:
    """Whether a model is PyTorch's: an nn.Module or an ExportedProgram."""
    torch: Any = sys.modules.get("torch")  # a module cannot be there without it
    return torch is not None and isinstance(model, torch.nn.Module | torch.export.ExportedProgram)


def inspect(
    model: Any,
    example_inputs: Any = None,
    *,
    shapes: Mapping[str, Shape] | None = None,
    keep: Sequence[str] = (),
    exact: bool = False,
) -> Inspection[Any]:
    """Find what may be cut.

    Args:
        model: A path, a ModelProto, an nn.Module or an ExportedProgram.
        example_inputs: What an nn.Module is called with: a tensor, a tuple of positional inputs,
            or a dict of inputs by keyword.
        shapes: Input shapes by name, where an ONNX model leaves them open.
        keep: Patterns (``*``, ``?``) of parameters, nodes or groups that must stay whole.
        exact: Keep groups whole whose narrowing is only approximate (layer norms).

    Raises:
        InvalidModel: It is not a usable ONNX model.
        UnsupportedModel: torch.export cannot trace the module.
        BadData: A pattern matches nothing, or a module comes without example inputs.
    """
    if is_module(model):
        return inspect_module(model, example_inputs, keep=keep, exact=exact)
    return inspect_onnx(model, shapes=shapes, keep=keep, exact=exact)


def inspect_onnx(
    model: Model | OnnxModel,
    *,
    shapes: Mapping[str, Shape] | None = None,
    keep: Sequence[str] = (),
    exact: bool = False,
) -> Inspection[Lowered]:
    """As :func:`inspect`, of an ONNX model."""
    return _inspected(
        lower(model if isinstance(model, OnnxModel) else load(model), shapes), keep, exact
    )


def inspect_module(
    module: Any, example_inputs: Any, *, keep: Sequence[str] = (), exact: bool = False
) -> Inspection[TracedModule]:
    """As :func:`inspect`, of a PyTorch module, which is traced in evaluation mode."""
    from graphprune.frontends.torch import trace
    from graphprune.frontends.torch.modes import evaluating

    example = example_of(module, example_inputs)
    with evaluating(module):
        traced = trace(module, example.args, example.kwargs)
    return _inspected(traced, keep, exact)


def example_of(module: Any, example_inputs: Any) -> Example:
    """How a module is called.

    Args:
        module: An nn.Module or an ExportedProgram, which brings its own example.
        example_inputs: A tensor, a tuple or list of positional inputs, a dict of inputs by
            keyword, or an Example.

    Raises:
        BadData: None were given.
    """
    from graphprune.frontends.torch import Example

    if isinstance(example_inputs, Example):
        return example_inputs
    if isinstance(example_inputs, Mapping):
        return Example((), dict(example_inputs))
    if isinstance(example_inputs, tuple | list):
        return Example(tuple(example_inputs))
    if example_inputs is not None:
        return Example((example_inputs,))
    if not hasattr(module, "graph_signature"):
        raise BadData(
            "a PyTorch module needs example inputs",
            where=type(module).__name__,
            why="sizes and couplings are found by running its code once",
            fix="give what forward is called with: a tensor, a tuple, or a dict by keyword",
        )
    return Example(*(module.example_inputs or ((), {})))


def _inspected(lowered: N, keep: Sequence[str], exact: bool) -> Inspection[N]:
    coupling = couple(lowered.graph)
    protected = _protected(coupling, keep)
    kept = tuple(g.name for g in coupling if g.name in protected or (exact and not g.exact))
    groups = tuple(g for g in coupling if g.name not in kept)
    return Inspection(lowered, replace(coupling, groups=groups), kept)


def without(
    inspection: Inspection[N], error: UnsupportedModel
) -> tuple[Inspection[N], tuple[str, ...]]:
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
