"""The rewrite pass for PyTorch modules: the user's own module, narrower."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule, trace
from graphprune.groups import Coupling, Left
from graphprune.passes.narrow.torch import layers
from graphprune.passes.narrow.torch.agree import Disagreement, disagreements, inexpressible
from graphprune.passes.narrow.torch.expected import Expected
from graphprune.passes.narrow.torch.narrowed import NarrowedModule
from graphprune.passes.narrow.torch.optimizer import followed, parameters, resized
from graphprune.passes.narrow.torch.provenance import Slot
from graphprune.passes.narrow.torch.tensors import (
    Cutting,
    Piece,
    Place,
    held_tensors,
    pieces,
    places,
    unread,
)
from graphprune.passes.narrow.torch.widths import contents, replaced, widths
from graphprune.passes.reconstruct import Patch


def narrow_module(
    traced: TracedModule,
    coupling: Coupling,
    alive: Left,
    *,
    patch: Patch | None = None,
    inplace: bool = False,
    strict: bool = False,
    optimizer: Any = None,
) -> NarrowedModule:
    """Give a module its narrower form.

    The user's own class is kept where it can say what the plan wants: parameters are cut where
    they lie, attributes that hold widths get the new ones, and tracing the result tells whether
    that was all. Else the result is a GraphModule with the same parameter names.

    Args:
        traced: The module, traced.
        coupling: Of its graph.
        alive: Whether each unit lives, by unit id.
        patch: What kept weights are multiplied by; None where they stay what they are.
        inplace: Change the module itself; one that cannot be narrowed is left as it was.
        strict: Refuse rather than give a GraphModule.
        optimizer: One over the module's parameters, to be narrowed with it.

    Raises:
        UnsupportedModel: With ``strict``, or neither form can follow the plan.
    """
    expected, wanted = Expected(traced, coupling, alive), pieces(coupling, alive, patch)
    held = parameters(traced, wanted) if optimizer is not None else ()
    try:
        narrowed = _own(expected, wanted, inplace)
    except _Inexpressible as error:
        if strict:
            raise error.refused() from error
        narrowed = _rewritten(expected, patch, error.reasons)
    if optimizer is None:
        return narrowed
    found = resized(optimizer, followed(held, narrowed.module))
    return replace(narrowed, optimizer=found.optimizer, notes=narrowed.notes + found.notes)


def _rewritten(expected: Expected, patch: Patch | None, why: tuple[str, ...]) -> NarrowedModule:
    """A GraphModule that follows the plan."""
    from graphprune.passes.narrow.torch.graph_module import rewritten

    traced, example = expected.traced, expected.traced.example
    module = rewritten(traced, expected.coupling, expected.alive, patch)
    if not isinstance(traced.module, torch.nn.Module):
        module.train(_trains(traced))
    again = trace(module, example.args, example.kwargs, dynamic_shapes=example.dynamic_shapes)
    return NarrowedModule(module, again, "graph", why)


def _trains(traced: TracedModule) -> bool:
    """Whether a program was exported in training mode, by what its operators were told."""
    for node in traced.nodes:
        arguments = getattr(getattr(node.target, "_schema", None), "arguments", ())
        told = dict(zip((a.name for a in arguments), node.args, strict=False)) | node.kwargs
        if told.get("training") is True or told.get("train") is True:
            return True
    return False


class _Inexpressible(UnsupportedModel):
    """The module's own class has no words for what the plan wants."""

    @property
    def reasons(self) -> tuple[str, ...]:
        parts = (self.where, self.why)
        return (": ".join(part for part in parts if part),)

    def refused(self) -> UnsupportedModel:
        return UnsupportedModel(self.what, where=self.where, why=self.why, fix=self.fix)


def _inexpressible(traced: TracedModule, found: Disagreement) -> _Inexpressible:
    return _Inexpressible(
        f"'{type(traced.module).__name__}' cannot follow the plan as it is written",
        where=found.where,
        why=found.why,
        fix="derive sizes from tensors or attributes, exclude the layer with --keep, or take a "
        "GraphModule",
    )


def _own(expected: Expected, wanted: tuple[Piece, ...], inplace: bool) -> NarrowedModule:
    """The user's own module, narrowed.

    Raises:
        _Inexpressible: It cannot follow the plan as it is written.
    """
    traced = expected.traced
    if not isinstance(traced.module, torch.nn.Module):
        program = Disagreement("", "", "an ExportedProgram has no module to narrow")
        raise _inexpressible(traced, program)
    hopeless = inexpressible(expected)
    if hopeless is not None:
        raise _inexpressible(traced, hopeless)
    found = places(traced)
    edit = _Edit(traced.module if inplace else _copied(traced.module), wanted, found)
    said = {Slot(path, (key,)): value for path, key, value in layers.attributes(expected)}
    first: Disagreement | None = None
    for others in chain([{}], widths(expected)):
        after = _attempt(edit, expected, {**others, **said})
        if isinstance(after, TracedModule):
            notes = _untouched(traced)
            return NarrowedModule(edit.module, after, "module", (), edit.changed, notes=notes)
        edit.undo()
        first = after if first is None or others else first
    assert first is not None
    raise _inexpressible(traced, first)


def _untouched(traced: TracedModule) -> tuple[str, ...]:
    """A note on parameters that no plan speaks of, if there are any."""
    found = unread(traced)
    if not found:
        return ()
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    mode = "training" if traced.module.training else "evaluation"
    return (
        f"left as they were: {found[0]}{more}, which nothing reads in {mode} mode; what only "
        "training runs (auxiliary heads) need not fit what is narrower now: drop it, or keep the "
        "layers that it reads",
    )


def _attempt(
    edit: _Edit, expected: Expected, attributes: Mapping[Slot, Any]
) -> TracedModule | Disagreement:
    """Change the module and trace it; what is wrong with it, if anything is."""
    example = expected.traced.example
    try:
        edit.apply(attributes)
        after = trace(
            edit.module, example.args, example.kwargs, dynamic_shapes=example.dynamic_shapes
        )
    except UnsupportedModel as error:
        return Disagreement("", error.where or "", error.why or error.what)
    except BaseException:
        edit.undo()
        raise
    return next(disagreements(expected, after), after)


def _copied(module: Any) -> Any:
    """A copy of a module.

    Raises:
        UnsupportedModel: It cannot be copied.
    """
    memo: dict[int, Any] = {}
    for tensor in held_tensors(module):
        if not tensor.is_leaf:  # cached results, which deepcopy refuses to copy
            memo[id(tensor)] = tensor.detach().clone()
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever the module's own state raises comes through here
        raise UnsupportedModel(
            f"'{type(module).__name__}' cannot be copied",
            why=f"{type(error).__name__}: {error}",
            fix="narrow it in place",
        ) from error


@dataclass(eq=False)
class _Edit:
    """Changes of a module that can be taken back.

    Attributes:
        module: What is changed.
        wanted: The tensors to cut.
        found: Where the module holds them.
        changed: Attributes, before and after.
    """

    module: Any
    wanted: tuple[Piece, ...]
    found: Mapping[str, tuple[Place, ...]]
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _cutting: Cutting = field(default_factory=Cutting)
    _before: list[tuple[Any, str, Any]] = field(default_factory=list)

    def apply(self, attributes: Mapping[Slot, Any]) -> None:
        """Cut the tensors and set the attributes."""
        for piece in self.wanted:
            self._cutting.cut(self.module, piece, self.found.get(piece.source, ()))
        for slot, value in attributes.items():
            held, key = self.module.get_submodule(slot.path).__dict__, slot.keys[0]
            before = held[key]
            self._before.append((held, key, before))
            self.changed[str(slot)] = (contents(self.module, slot), value)
            held[key] = replaced(before, slot.keys[1:], value)

    def undo(self) -> None:
        """Leave the module as it was."""
        for held, key, value in reversed(self._before):
            held[key] = value
        self._before.clear()
        self.changed.clear()
        self._cutting.undo()
