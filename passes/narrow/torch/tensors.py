"""The tensors of a module that a plan cuts, under all their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule
from graphprune.frontends.torch.parameters import Parameters, find, identity
from graphprune.groups import Coupling, Left
from graphprune.passes.narrow.cuts import Cut, cuts
from graphprune.passes.narrow.scales import scale
from graphprune.passes.narrow.torch.scaling import scaled
from graphprune.passes.narrow.torch.slicing import take
from graphprune.passes.reconstruct import Patch
from graphprune.terms import Floats

_DEPTH = 4  # lists of dictionaries of tensors end somewhere
Place = tuple[str, tuple[Any, ...]]  # path of a sub-module, and keys from its attributes inwards


@dataclass(frozen=True, eq=False)
class Piece:
    """One tensor that loses something, or is multiplied.

    Attributes:
        source: The name by which it is known in the graph.
        wanted: What is taken from it.
        factors: What that is multiplied by; None where it stays what it is.
    """

    source: str
    wanted: tuple[Cut, ...]
    factors: Floats | None = None

    def of(self, tensor: Any) -> Any:
        """What becomes of the tensor; it is only read."""
        return scaled(take(tensor, self.wanted), self.factors)


def pieces(coupling: Coupling, alive: Left, patch: Patch | None = None) -> tuple[Piece, ...]:
    """What a plan takes from the parameters, buffers and constants of a module.

    Args:
        coupling: Of the traced module.
        alive: Whether each unit lives, by unit id.
        patch: What kept weights are multiplied by.

    Raises:
        UnsupportedModel: A tensor is read twice and would have to be cut in two ways.
    """
    found: dict[str, Piece] = {}
    for value in coupling.graph.params:
        source, wanted = value.source or value.name, cuts(coupling, value.name, alive)
        if source in found and [c.key for c in found[source].wanted] != [c.key for c in wanted]:
            raise UnsupportedModel(
                f"tensor '{source}' cannot be narrowed",
                why="it is read several times, each time to be cut otherwise",
                fix=f"exclude it: --keep {source}",
            )
        # What is read several times is not multiplied.
        found[source] = Piece(source, wanted, scale(coupling, value.name, wanted, patch))
    return tuple(p for p in found.values() if p.wanted or p.factors is not None)


def places(traced: TracedModule) -> Mapping[str, tuple[Place, ...]]:
    """Where a module holds each tensor of its graph: by several names where tensors are tied.

    Args:
        traced: An nn.Module, traced.
    """
    by_identity: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
    for path, part in traced.module.named_modules():
        for keys, tensor in _held(part):
            by_identity[identity(tensor)].append((path, keys))
    found = {}
    for value in traced.graph.params:
        tensor = find(traced.program, value.source or value.name)
        if tensor is not None:
            found[value.source or value.name] = tuple(by_identity.get(identity(tensor), ()))
    return found


def names(found: tuple[Place, ...]) -> tuple[str, ...]:
    """The qualified names of a tensor, without containers that repeat registered parameters."""
    spelled = []
    for path, keys in found:
        inner = keys[1:] if keys[0] in ("_parameters", "_buffers") else keys
        if keys[0] != "_flat_weights":
            spelled.append(".".join([*filter(None, [path]), *map(str, inner)]))
    return tuple(spelled)


def resolve(module: Any, place: Place) -> Any:
    """The tensor at a place of a module, or of a copy of it."""
    path, keys = place
    held: Any = module.get_submodule(path).__dict__
    for key in keys:
        held = held[key]
    return held


def held_tensors(module: Any) -> Iterator[Any]:
    """Every tensor that a module holds anywhere, registered or not."""
    for part in module.modules():
        yield from (tensor for _, tensor in _held(part))


def unread(traced: TracedModule) -> tuple[str, ...]:
    """Parameters that nothing read when the module was traced.

    In evaluation mode those are of what only training runs, such as auxiliary heads.

    Args:
        traced: An nn.Module, traced.
    """
    held = Parameters(traced.program).held
    read = {identity(tensor) for node, tensor in held.items() if node.users}
    named = traced.module.named_parameters()
    return tuple(name for name, tensor in named if identity(tensor) not in read)


def _held(part: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The tensors of a module itself: registered, or held as plain attributes and in containers."""
    for key, value in part.__dict__.items():
        if key != "_modules":
            yield from _within((key,), value)


def _within(keys: tuple[Any, ...], value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, torch.Tensor):
        yield keys, value
    elif len(keys) < _DEPTH and isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _within((*keys, i), item)
    elif len(keys) < _DEPTH and isinstance(value, dict):
        for key, item in value.items():
            yield from _within((*keys, key), item)


class Cutting:
    """Cuts tensors in place, and puts them back if asked to.

    Whoever holds a tensor, an optimizer or a hook, goes on holding it: only what it refers to
    changes.
    """

    def __init__(self) -> None:
        self._before: list[tuple[Any, Any, Any]] = []

    def cut(self, module: Any, piece: Piece, found: tuple[Place, ...]) -> None:
        """Cut one tensor under all its names; one memory stays one memory.

        Args:
            module: The module to change.
            piece: What is taken.
            found: Where the module holds the tensor.

        Raises:
            UnsupportedModel: The module does not hold it.
        """
        tensors = {id(t): t for t in (resolve(module, place) for place in found)}
        if not tensors:
            raise UnsupportedModel(
                f"tensor '{piece.source}' cannot be narrowed",
                why="the module holds it nowhere: neither registered nor as an attribute",
                fix="register it as a buffer",
            )
        made: dict[tuple[Any, ...], Any] = {}
        for tensor in tensors.values():
            place = identity(tensor)
            if place not in made:
                made[place] = piece.of(tensor)
            self._assign(tensor, made[place], piece)

    def _assign(self, tensor: Any, data: Any, piece: Piece) -> None:
        leaf = tensor.is_leaf
        gradient = tensor.grad if leaf else None
        self._before.append((tensor, tensor.data, gradient))
        if gradient is not None:
            tensor.grad = None  # a gradient of another shape is refused
        tensor.data = data
        # A gradient at other weights says nothing of these.
        if gradient is not None and piece.factors is None:
            tensor.grad = take(gradient, piece.wanted)

    def undo(self) -> None:
        """Put everything back as it was."""
        for tensor, data, gradient in reversed(self._before):
            if tensor.is_leaf:
                tensor.grad = None
            tensor.data = data
            if gradient is not None:
                tensor.grad = gradient
        self._before.clear()
