"""Which attribute every integer comes from that a module hands to PyTorch.

While the module is traced once more its integer attributes are integers that remember: those
given to an operator, themselves or by arithmetic, tell where they were read. What the operator
makes of them is known from the plan, and so is what the attribute has to hold.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.overrides import TorchFunctionMode

from graphprune.frontends.torch import TracedModule, trace

_OWN = frozenset(torch.nn.Module().__dict__)  # what every module has
_DEPTH = 4
OPEN = -1  # stands for extents that are left to PyTorch, and for symbolic ones


@dataclass(frozen=True)
class Slot:
    """Where a module keeps a number.

    Attributes:
        path: Of the sub-module.
        keys: The attribute, then indices or keys inwards.
    """

    path: str
    keys: tuple[Any, ...]

    def __str__(self) -> str:
        """As in the source: ``blocks.0.attn.sizes[1]``."""
        inner = "".join(f"[{key!r}]" for key in self.keys[1:])
        return ".".join(filter(None, (self.path, str(self.keys[0])))) + inner


class Tracked(int):
    """An integer that remembers the attribute it was read from, through arithmetic.

    Attributes:
        made: Gives its value for other contents of the attributes.
        slots: The attributes, and what they hold.
    """

    made: Callable[[Mapping[Slot, int]], int]
    slots: Mapping[Slot, int]

    @classmethod
    def read(cls, value: int, slot: Slot) -> Tracked:
        """An attribute's own value."""
        found = cls(value)
        found.made, found.slots = (lambda given: given.get(slot, value)), {slot: value}
        return found

    @property
    def slot(self) -> Slot | None:
        """The attribute whose contents it is; None where it was computed."""
        return next(iter(self.slots)) if self._plain else None

    _plain = True


def _operation(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
    def run(this: Tracked, other: Any) -> Any:
        pair = (other, int(this)) if swapped else (int(this), other)
        if not isinstance(other, int) or isinstance(other, bool):
            return function(*pair)
        found = Tracked(function(*(int(x) for x in pair)))
        right = other if isinstance(other, Tracked) else None

        def made(given: Mapping[Slot, int]) -> int:
            both = (this.made(given), right.made(given) if right is not None else int(other))
            return int(function(*reversed(both)) if swapped else function(*both))

        found.made, found._plain = made, False
        found.slots = {**this.slots, **(right.slots if right is not None else {})}
        return found

    return run


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(Tracked, f"__{_name}__", _operation(getattr(operator, _name), False))
    setattr(Tracked, f"__r{_name}__", _operation(getattr(operator, _name), True))


@dataclass(frozen=True, eq=False)
class Use:
    """Integers that were handed to PyTorch together.

    Attributes:
        numbers: A list of sizes, or one number; :data:`OPEN` where one is not written down.
        nodes: Names of the FX nodes that came of it.
    """

    numbers: tuple[int, ...]
    nodes: tuple[str, ...]


def uses(traced: TracedModule) -> list[Use]:
    """Trace a module again and note which attributes its operators were given.

    Args:
        traced: A module, traced; it is left as it was.
    """
    recorder, module, example = _Recorder(), traced.module, traced.example
    forward = module.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        with recorder:
            return forward(*args, **kwargs)

    with _remembering(module), _instead(module.__dict__, "forward", run):
        trace(module, example.args, example.kwargs, dynamic_shapes=example.dynamic_shapes)
    return recorder.found


class _Recorder(TorchFunctionMode):  # type: ignore[misc]
    """Notes calls that are given numbers which remember; PyTorch gets plain ones."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Use] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        keywords = kwargs or {}
        groups = [g for g in _groups((*args, *keywords.values())) if _any_tracked(g)]
        if not groups:
            return func(*args, **keywords)
        before = _last_node()
        result = func(*_plain(args), **_plain(keywords))
        names = tuple(_names_since(before))
        self.found += [Use(group, names) for group in groups]
        return result


def _any_tracked(numbers: tuple[int, ...]) -> bool:
    return any(isinstance(n, Tracked) for n in numbers)


def _groups(args: Any) -> Iterator[tuple[int, ...]]:
    """Lists of integers among arguments, and those that follow one another."""
    row: list[int] = []
    for item in args:
        if isinstance(item, int | torch.SymInt) and not isinstance(item, bool):
            row.append(item if isinstance(item, int) else OPEN)
            continue
        if row:
            yield tuple(row)
            row = []
        if isinstance(item, list | tuple):
            yield from _groups(item)
        elif isinstance(item, slice):
            yield from ((n,) for n in (item.start, item.stop) if isinstance(n, int))
    if row:
        yield tuple(row)


def _plain(item: Any) -> Any:
    """The same with plain integers."""
    if isinstance(item, Tracked):
        return int(item)
    if type(item) in (list, tuple):
        return type(item)(_plain(x) for x in item)
    if type(item) is dict:
        return {key: _plain(x) for key, x in item.items()}
    if isinstance(item, slice):
        return slice(_plain(item.start), _plain(item.stop), _plain(item.step))
    return item


def _last_node() -> Any | None:
    mode = get_proxy_mode()
    return next(iter(reversed(mode.tracer.graph.nodes)), None) if mode is not None else None


def _names_since(node: Any | None) -> Iterator[str]:
    last = _last_node()
    found = []
    while last is not None and last is not node and last.op != "root":
        found.append(last.name)
        last = last.prev
    yield from reversed(found)


@contextmanager
def _remembering(module: Any) -> Iterator[None]:
    """Replace integer attributes of all sub-modules by ones that remember."""
    parts = dict(module.named_modules())
    before = {path: dict(part.__dict__) for path, part in parts.items()}
    try:
        for path, part in parts.items():
            for key in part.__dict__.keys() - _OWN:
                part.__dict__[key] = _tracked(part.__dict__[key], Slot(path, (key,)))
        yield
    finally:
        # What forward computed from them and kept goes too.
        for path, part in parts.items():
            part.__dict__.clear()
            part.__dict__.update(before[path])


def _tracked(value: Any, slot: Slot) -> Any:
    """A value whose integers remember; itself where there are none."""
    if type(value) is int:
        return Tracked.read(value, slot) if value > 1 else value
    if len(slot.keys) > _DEPTH or type(value) not in (list, tuple, dict, torch.Size):
        return value
    pairs = list(value.items() if type(value) is dict else enumerate(value))
    items = {k: _tracked(v, Slot(slot.path, (*slot.keys, k))) for k, v in pairs}
    if all(items[k] is v for k, v in pairs):
        return value
    kind = tuple if type(value) is torch.Size else type(value)
    return items if kind is dict else kind(items.values())


@contextmanager
def _instead(held: dict[str, Any], key: str, value: Any) -> Iterator[None]:
    """Set an entry for a while."""
    had, before = key in held, held.get(key)
    held[key] = value
    try:
        yield
    finally:
        if had:
            held[key] = before
        else:
            del held[key]
