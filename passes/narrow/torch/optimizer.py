"""Optimizers follow the module: their state is cut like the parameters it belongs to.

A running mean of gradients has its parameter's shape and loses the same elements; factored
second moments (Shazeer & Stern 2018, Adafactor, Algorithm 4) have it but for one axis; step counts
are numbers and stay.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from graphprune.frontends.torch import TracedModule
from graphprune.frontends.torch.parameters import find, identity
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.cuts import Cut
from graphprune.passes.narrow.torch.slicing import take
from graphprune.passes.narrow.torch.tensors import Piece


@dataclass(frozen=True, eq=False)
class Pair:
    """A parameter before and after.

    Attributes:
        name: Its qualified name.
        before: What the optimizer holds.
        after: What it is to hold; the same object where a module was narrowed in place.
        shape: Its extents before.
        wanted: What was taken from it.
    """

    name: str
    before: Any
    after: Any
    shape: Shape
    wanted: tuple[Cut, ...]


def parameters(traced: TracedModule, pieces: Sequence[Piece]) -> tuple[Pair, ...]:
    """The parameters of a module as they are before anything is cut, and what will be.

    Args:
        traced: The original.
        pieces: What is taken from its tensors.
    """
    wanted = {identity(find(traced.program, piece.source)): piece.wanted for piece in pieces}
    owner = traced.module if isinstance(traced.module, torch.nn.Module) else traced.program
    return tuple(
        Pair(name, held, held, tuple(held.shape), wanted.get(identity(held), ()))
        for name, held in owner.named_parameters()
    )


def followed(pairs: Sequence[Pair], module: Any) -> tuple[Pair, ...]:
    """Pairs that lead to the parameters of a narrowed module.

    Args:
        pairs: Of the original.
        module: The narrowed module; it calls its parameters alike.
    """
    named = dict(module.named_parameters(remove_duplicate=False))
    return tuple(replace(pair, after=named[pair.name]) for pair in pairs if pair.name in named)


@dataclass(frozen=True, eq=False)
class Resized:
    """An optimizer over narrowed parameters.

    Attributes:
        optimizer: The same one where the module was narrowed in place, else a new one of its
            class with the same options.
        notes: Parameters whose state could not be cut and begins anew, with the reason.
    """

    optimizer: Any
    notes: tuple[str, ...] = ()


def resized(optimizer: Any, pairs: Sequence[Pair]) -> Resized:
    """Let an optimizer go on with narrowed parameters.

    In place where every parameter is the object it was; else the given optimizer is left as it
    is, and a new one gets copies. Parameters that are not among the pairs stay in both.

    Args:
        optimizer: Any torch.optim.Optimizer.
        pairs: Parameters before and after.
    """
    known = {id(pair.before): pair for pair in pairs}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    if all(pair.after is pair.before for pair in pairs):
        notes = [note for p in held if id(p) in known for note in _cut(optimizer, known[id(p)])]
        return Resized(optimizer, tuple(notes))
    # A copy in which every parameter is already copied: by its successor, or by itself.
    memo = {id(p): known[id(p)].after if id(p) in known else p for p in held}
    other = copy.deepcopy(optimizer, memo)
    for key, value in optimizer.__dict__.items():
        if key not in other.__dict__ and not callable(value):
            other.__dict__[key] = copy.deepcopy(value, memo)
    successors = [known[id(p)] for p in held if id(p) in known]
    return Resized(other, tuple(note for pair in successors for note in _cut(other, pair)))


def _cut(optimizer: Any, pair: Pair) -> Iterator[str]:
    """Cut the state of one parameter; where that is not possible it begins anew."""
    state = optimizer.state.get(pair.after)
    if not pair.wanted or not state:
        return
    found = {key: _part(value, pair) for key, value in state.items()}
    lost = [str(key) for key, value in found.items() if value is None and state[key] is not None]
    if lost:
        del optimizer.state[pair.after]
        yield f"state of '{pair.name}' begins anew: it is not clear how to cut {', '.join(lost)}"
        return
    for key, value in found.items():
        state[key] = value


def _part(value: Any, pair: Pair) -> Any | None:
    """What is left of one entry of a parameter's state; None where it cannot be told."""
    if not isinstance(value, torch.Tensor):
        return None if isinstance(value, Mapping | list | tuple | set) else value
    if value.numel() == 1:
        return value
    if tuple(value.shape) == pair.shape:
        return take(value, pair.wanted)
    found = list(_marginals(tuple(value.shape), pair))
    return take(value, found[0]) if len(found) == 1 else None


def _marginals(shape: Shape, pair: Pair) -> Iterator[tuple[Cut, ...]]:
    """The cuts of a tensor with all of a parameter's axes but one, which is gone or of extent 1."""
    for axis in range(len(pair.shape)):
        before, after = pair.shape[:axis], pair.shape[axis + 1 :]
        if shape not in (before + after, (*before, 1, *after)):
            continue
        gone = len(shape) < len(pair.shape)
        others = [cut for cut in pair.wanted if cut.axis != axis]
        if not any(cut.rows for cut in pair.wanted):
            yield tuple(
                Cut(cut.axis - (gone and cut.axis > axis), (), cut.kept, ()) for cut in others
            )
