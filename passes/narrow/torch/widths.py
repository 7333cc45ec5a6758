"""What integer attributes have to hold so that a module says what the plan wants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice, product
from typing import Any

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import hints
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.torch.expected import Expected, tensors
from graphprune.passes.narrow.torch.provenance import OPEN, Slot, Tracked, Use, uses

Widths = dict[Slot, int]
_MOST = 4  # sets that are worth a try
_GROWTH = 8  # times its contents that an attribute may come to hold


def widths(expected: Expected) -> Iterator[Widths]:
    """Attributes to change and to what, the likeliest set first.

    Args:
        expected: The narrowed graph as it has to be; its module is traced once more.
    """
    direct: dict[Slot, list[set[int]]] = defaultdict(list)
    computed: list[tuple[Tracked, set[int]]] = []
    by_name = {node.name: node for node in expected.traced.nodes}
    try:
        found = uses(expected.traced)
    except UnsupportedModel:  # it takes no integers but Python's own: there is nothing to be told
        return
    for use in found:
        nodes = [by_name[name] for name in use.nodes if name in by_name]
        for place, number in enumerate(use.numbers):
            wanted = _wanted(expected, use, place, nodes) if isinstance(number, Tracked) else set()
            if not wanted or not isinstance(number, Tracked):
                continue
            if number.slot is not None:
                direct[number.slot].append(wanted)
            else:
                computed.append((number, wanted))
    held = {slot: value for number, _ in computed for slot, value in number.slots.items()}
    yield from islice(_sets(expected, direct, computed, held), _MOST)


def _wanted(expected: Expected, use: Use, place: int, nodes: Sequence[Any]) -> set[int]:
    """What a number given to an operator has to be; several where its role is not clear."""
    for node in reversed(nodes):
        found = _by_place(expected, use.numbers, place, node)
        if found is not None:
            return found
    number = int(use.numbers[place])
    return {new for node in nodes for old, new in expected.pairs(node) if old == number}


def _by_place(
    expected: Expected, numbers: tuple[int, ...], place: int, node: Any
) -> set[int] | None:
    """By its place in a list of sizes; None where this is no such list."""
    metas = tensors(node)
    if len(metas) == 1 and _spells(numbers, hints.shape(metas[0])):
        new = expected.of(node)
        return set() if new is None else {new[place]}
    split = [n for n in expected.nodes.get(expected.index(node), ()) if n.op == "split"]
    if split and split[0].ints("sizes") == tuple(map(int, numbers)):
        sizes = expected.attrs(split[0])["sizes"]
        return {int(sizes[place])} if isinstance(sizes, tuple) else None
    return None


def _spells(numbers: tuple[int, ...], shape: Shape | None) -> bool:
    """Whether numbers are the extents of a shape, some of them left open."""
    if shape is None or len(numbers) != len(shape):
        return False
    return all(n in (OPEN, size) for n, size in zip(numbers, shape, strict=True))


def _sets(
    expected: Expected,
    direct: dict[Slot, list[set[int]]],
    computed: list[tuple[Tracked, set[int]]],
    held: dict[Slot, int],
) -> Iterator[Widths]:
    """Choices for attributes that operators were given; the rest follows from arithmetic."""
    module = expected.traced.module
    before = {slot: contents(module, slot) for slot in (*direct, *held)}
    options = [_options(before[slot], wanted) for slot, wanted in direct.items()]
    for chosen in product(*options):
        values = dict(zip(direct, chosen, strict=True))
        for number, wanted in computed:
            if number.made(values) in wanted:
                continue
            for slot in number.slots:
                fitting = _solve(number, slot, before[slot], values, wanted)
                if slot not in values and fitting is not None:
                    values[slot] = fitting
                    break
        changed = {slot: value for slot, value in values.items() if value != before[slot]}
        if changed:
            yield changed


def _options(before: int, wanted: list[set[int]]) -> list[int]:
    """What one attribute may hold, the likeliest first: as it was, if all its uses allow that."""
    common = set.intersection(*wanted) or set.union(*wanted)
    return sorted(common, key=lambda n: (n != before, -n))


def _solve(number: Tracked, slot: Slot, most: int, values: Widths, wanted: set[int]) -> int | None:
    """What one attribute has to hold for a computed number to be right."""
    for value in chain(range(1, most), range(most + 1, _GROWTH * most + 1)):
        if _result(number, {**values, slot: value}) in wanted:
            return value
    return None


def _result(number: Tracked, values: Widths) -> int | None:
    try:
        return number.made(values)
    except ZeroDivisionError:
        return None


def contents(module: Any, slot: Slot) -> Any:
    """What a module holds at a place."""
    held: Any = module.get_submodule(slot.path).__dict__
    for key in slot.keys:
        held = held[key]
    return held


def replaced(value: Any, keys: tuple[Any, ...], new: Any) -> Any:
    """A value with one of its elements, however deep, replaced.

    Args:
        value: A number, or a list, tuple or dictionary of such.
        keys: Indices and keys inwards.
        new: What to put there.
    """
    if not keys:
        return new
    inner = replaced(value[keys[0]], keys[1:], new)
    if isinstance(value, dict):
        return {**value, keys[0]: inner}
    items = [inner if i == keys[0] else item for i, item in enumerate(value)]
    return type(value)(items)
