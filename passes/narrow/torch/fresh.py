"""Weights drawn anew for the layers that lost or gained channels.

Each layer draws them itself, as when it was constructed: by ``reset_parameters`` with the extents
that it has now, sub-modules before the modules that hold them. What no layer draws (a parameter
that a module made by hand, weights under a parametrisation) keeps what is left of it; entries that
are new are drawn from the old ones, with replacement, so that ones stay ones and zeros zeros.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from graphprune.copies import is_new
from graphprune.passes.narrow.cuts import Cut
from graphprune.passes.narrow.torch import layers
from graphprune.passes.narrow.torch.expected import Expected
from graphprune.passes.narrow.torch.narrowed import NarrowedModule
from graphprune.passes.narrow.torch.tensors import Piece, Place, pieces, places, resolve

Initialiser = Callable[[Any], Any]
_RESETS = ("reset_parameters", "_reset_parameters")  # PyTorch's own attention has the second
_REGISTERED = ("_parameters", "_buffers")


@dataclass(frozen=True, eq=False)
class _Resized:
    """A floating tensor of the new module that is not the original's any more.

    Attributes:
        name: Its qualified name.
        path: The module that holds it.
        tensor: The tensor itself.
        wanted: What it took from the original.
        kept: Its contents before anything was drawn.
    """

    name: str
    path: str
    tensor: Any
    wanted: tuple[Cut, ...]
    kept: Any


def initialise(
    expected: Expected, narrowed: NarrowedModule, *, seed: int = 0, init: Initialiser | None = None
) -> tuple[str, ...]:
    """Draw the weights of every layer that lost or gained channels, in place.

    Args:
        expected: The original, and what became of it.
        narrowed: The module to initialise.
        seed: Of the draws; the state of PyTorch's generators is left as it was.
        init: Called with every sub-module afterwards, as ``torch.nn.Module.apply`` does; for
            networks whose constructor draws weights otherwise than their layers do.

    Returns:
        What no layer drew, in words.
    """
    resized = list(_resized(expected, narrowed))
    root = _root(expected, narrowed)
    paths = {resized_.path for resized_ in resized}
    with _seeded(narrowed.module, seed), torch.no_grad():
        for item in resized:
            item.tensor.fill_(float("nan"))  # to see what is drawn
        for path, layer in _inside_out("", root):
            reset = _reset(layer)
            if reset is not None and any(p == path or _within(p, path) for p in paths):
                reset()
        if init is not None:
            root.apply(init)
        left = [item for item in resized if bool(item.tensor.isnan().any())]
        for item in left:
            item.tensor.copy_(item.kept)
            _draw(item)
    return _notes(left)


def _resized(expected: Expected, narrowed: NarrowedModule) -> Iterator[_Resized]:
    found = places(expected.traced)
    for piece in pieces(expected.coupling, expected.alive):
        place = next((p for p in found.get(piece.source, ()) if p[1][0] in _REGISTERED), None)
        tensor = _tensor(narrowed, piece, place)
        if tensor is not None and tensor.is_floating_point():
            path = place[0] if place is not None else ""
            kept = tensor.detach().clone()
            yield _Resized(piece.source, path, tensor.detach(), piece.wanted, kept)


def _tensor(narrowed: NarrowedModule, piece: Piece, place: Place | None) -> Any:
    """The tensor of the new module; None for constants that are no state of it."""
    return resolve(narrowed.module, place) if place is not None else None


def _root(expected: Expected, narrowed: NarrowedModule) -> Any:
    """The new module, or a stand-in whose layers are of the original's classes."""
    if narrowed.form == "module":
        return narrowed.module
    said: dict[str, dict[str, Any]] = {}
    for path, key, value in layers.attributes(expected):
        said.setdefault(path, {})[key] = value
    return _stand_in("", expected.traced.module, narrowed.module, said)


def _stand_in(path: str, layer: Any, holder: Any, said: Mapping[str, Mapping[str, Any]]) -> Any:
    """A layer with the attributes of the original and the tensors of a container."""
    twin = copy.copy(layer)
    for kind in _REGISTERED:
        twin.__dict__[kind] = dict(getattr(holder, kind))
    twin.__dict__["_modules"] = {
        name: _stand_in(f"{path}.{name}".removeprefix("."), child, holder._modules[name], said)
        for name, child in layer._modules.items()
        if child is not None and name in holder._modules
    }
    twin.__dict__.update(said.get(path, {}))
    return twin


def _inside_out(path: str, module: Any) -> Iterator[tuple[str, Any]]:
    """Every sub-module once, before the one that holds it: the order of constructors."""
    seen: set[int] = set()

    def walk(path: str, module: Any) -> Iterator[tuple[str, Any]]:
        if id(module) not in seen:
            seen.add(id(module))
            for name, child in module.named_children():
                yield from walk(f"{path}.{name}".removeprefix("."), child)
            yield path, module

    yield from walk(path, module)


def _within(path: str, outer: str) -> bool:
    return not outer or path.startswith(f"{outer}.")


def _reset(layer: Any) -> Callable[[], Any] | None:
    """How a layer draws its own weights; None where it cannot without being told more."""
    for name in _RESETS:
        method: Callable[[], Any] | None = getattr(layer, name, None)
        if callable(method):
            wanted = inspect.signature(method).parameters.values()
            named = (p for p in wanted if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
            if all(p.default is not p.empty for p in named):
                return method
    return None


def _draw(item: _Resized) -> None:
    """Draw new entries from the old ones."""
    new = torch.zeros(item.tensor.shape, dtype=torch.bool)
    for cut in item.wanted:
        if not cut.rows:
            extents = [1] * new.dim()
            extents[cut.axis] = -1
            new |= torch.from_numpy(is_new(cut.kept[0])).reshape(extents)
    if new.any():
        new = new.to(item.tensor.device)
        old = item.tensor[~new]
        choice = torch.randint(len(old), (int(new.sum()),))
        item.tensor[new] = old[choice.to(old.device)]


def _notes(left: list[_Resized]) -> tuple[str, ...]:
    grown = [x.name for x in left if any(not c.rows and is_new(c.kept[0]).any() for c in x.wanted)]
    shrunk = [x.name for x in left if x.name not in grown]
    notes = []
    if shrunk:
        notes.append(f"no layer draws {', '.join(shrunk)}: what is left of them was kept")
    if grown:
        notes.append(f"no layer draws {', '.join(grown)}: new entries are drawn from the old ones")
    return tuple(notes)


@contextmanager
def _seeded(module: Any, seed: int) -> Iterator[None]:
    """PyTorch's generators seeded, and as they were afterwards."""
    devices = {t.device for t in (*module.parameters(), *module.buffers()) if t.is_cuda}
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        yield
