"""Which widths a group may have so that narrowed channel counts are multiples of a number."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd, lcm

import numpy as np

from graphprune.groups import Coupling, Group, Ids, Layer


def step(coupling: Coupling, group: Group, round_to: int) -> int:
    """The number of units in which a group's width grows.

    At every multiple of it the group contributes a multiple of ``round_to`` to the extents of its
    members: the least common multiple over the members, each of which may hold several elements
    a unit. Row-wise members (channels within one group of a grouped conv, within one head) are
    counted too unless that leaves no width but the full one: then the whole axes decide. Axes
    along which units differ in size are left out.

    Args:
        coupling: The network.
        group: One of its groups.
        round_to: What the extents should be multiples of; 1 for no rounding.

    Returns:
        Units a step; more than the group's width where no smaller width fits.
    """
    if round_to == 1:
        return 1
    layers = list(_layers(coupling, group))
    every = _step(layers, group, round_to)
    whole_axes = [layer for layer in layers if not layer.rows]
    if every <= group.width or not whole_axes:
        return every
    return _step(whole_axes, group, round_to)


def choices(coupling: Coupling, group: Group, round_to: int) -> Ids:
    """The widths a group may have: the multiples of :func:`step` and the full width, ascending."""
    size = step(coupling, group, round_to)
    found = np.arange(size, group.width + 1, size)
    return found if group.width % size == 0 else np.append(found, group.width)


def _layers(coupling: Coupling, group: Group) -> Iterable[Layer]:
    for member in group.members:
        for layer in coupling.layers[member.param]:
            if layer.axis == member.axis:
                yield layer


def _step(layers: list[Layer], group: Group, round_to: int) -> int:
    lines = {id(layer): layer.line for layer in layers}
    counts = [int(np.count_nonzero(np.isin(line, group.units))) for line in lines.values()]
    # Units of unequal size can promise no multiple, so their axis asks for none.
    sizes = (count // group.width for count in counts if count % group.width == 0)
    return lcm(*(round_to // gcd(round_to, size) for size in sizes))
