"""Sums of a parameter's elements over the units they belong to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Coupling, Group, Layer, Member
from graphprune.passes.score.registry import Tensors
from graphprune.terms import Floats, add_up

Elementwise = Callable[[Floats], Floats]

# Elements that are widened to float64 at a time: large embeddings are never copied whole.
_SLAB = 1 << 18


def unit_sums(
    tensor: NDArray[np.generic], layer: Layer, units: int, function: Elementwise
) -> Floats:
    """Sums a function of a tensor's elements over every unit of one layer.

    The axes along which the layer does not vary are summed first, so the unit ids meet an array
    of the layer's size only, not of the tensor's.

    Args:
        tensor: The contents, of any real element type; accumulated in float64.
        layer: The unit ids of the elements, along one axis or row-wise along several.
        units: The largest unit id.
        function: Applied to every element first, in float64.

    Returns:
        The sums by unit id, ``(units + 1,)``; 0 for units without an element here.
    """
    constant = tuple(i for i, n in enumerate(layer.ids.shape) if n == 1 and i != layer.axis)
    lines = max(1, _SLAB * len(tensor) // max(1, tensor.size))
    parts = [
        function(tensor[i : i + lines].astype(np.float64)).sum(axis=constant, keepdims=True)
        for i in range(0, len(tensor), lines)
    ]
    sums = np.sum(parts, axis=0) if 0 in constant else np.concatenate(parts)
    return add_up(sums.ravel(), layer.ids.ravel(), units + 1)


def producers(coupling: Coupling, group: Group) -> tuple[Member, ...]:
    """The parameters whose elements speak for a group: the filters that make its channels.

    These are the members of role ``out`` and rank 2 or more; in a group without any, all members.
    """
    values = coupling.graph.values
    filters = tuple(
        member
        for member in group.members
        if member.role == "out" and len(values[member.param].known_shape) >= 2
    )
    return filters or group.members


def mean_norms(
    coupling: Coupling, tensors: Tensors, function: Elementwise, root: Elementwise
) -> dict[str, Floats]:
    """The norm of every unit in each of its producers, averaged over the producers.

    Args:
        coupling: The groups.
        tensors: Maps the name of a parameter value to its contents in the graph's shape.
        function: Applied to every element before the sum over a unit.
        root: Applied to the sum.

    Returns:
        For every group by name, ``(rows, width)``.
    """
    norms: dict[str, Floats] = {}
    for group in coupling:
        members = producers(coupling, group)
        total = np.zeros(group.units.shape)
        for member in members:
            for layer in coupling.layers[member.param]:
                if layer.axis == member.axis:
                    sums = unit_sums(tensors(member.param), layer, coupling.units, function)
                    total += root(sums[group.units])
        norms[group.name] = total / len(members)
    return norms
