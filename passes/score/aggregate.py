"""Sums of a parameter's elements over the units they belong to."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Coupling, Group, Ids, Layer, Member
from graphprune.passes.score.registry import Tensors
from graphprune.terms import Floats, add_up

Elementwise = Callable[[Floats], Floats]
Tensor = NDArray[np.generic]
Sums = Callable[[Tensor, Layer], Floats]
Measure = Callable[[Member, Layer, Ids], Floats]

# Elements that are widened to float64 at a time: large embeddings are never copied whole.
_SLAB = 1 << 18
# Squares that are summed in float32 before float64 takes over: few enough to cost no digit that
# float32 weights have, and enough to leave float64 little to do.
_RUN = 128
_TINY, _HUGE = 1e-30, 1e30  # sums of squares in float32 have all their digits between these


def unit_sums(tensor: Tensor, layer: Layer, units: int, function: Elementwise) -> Floats:
    """Sums a function of a tensor's elements over every unit of one layer.

    Args:
        tensor: The contents, of any real element type; accumulated in float64.
        layer: The unit ids of the elements, along one axis or row-wise along several.
        units: The largest unit id.
        function: Applied to every element first, in float64.

    Returns:
        The sums by unit id, ``(units + 1,)``; 0 for units without an element here.
    """
    return add_up(element_sums(tensor, layer, function).ravel(), layer.ids.ravel(), units + 1)


def element_sums(tensor: Tensor, layer: Layer, function: Elementwise) -> Floats:
    """Sums a function of a tensor's elements along the axes where a layer does not vary.

    Args:
        tensor: The contents, of any real element type; accumulated in float64.
        layer: The unit ids of the elements.
        function: Applied to every element first, in float64.

    Returns:
        One sum an element of the layer's ids, in their shape.
    """
    constant = _constant(layer)
    lines = max(1, _SLAB * len(tensor) // max(1, tensor.size))
    parts = [
        function(tensor[i : i + lines].astype(np.float64)).sum(axis=constant, keepdims=True)
        for i in range(0, len(tensor), lines)
    ]
    return np.asarray(np.sum(parts, axis=0) if 0 in constant else np.concatenate(parts))


def square_sums(tensor: Tensor, layer: Layer) -> Floats:
    """Sums of a tensor's squares along the axes where a layer does not vary.

    What :func:`element_sums` gives for squares, to the precision of the tensor: float32 is
    widened only where its squares leave float32's range.

    Args:
        tensor: The contents, of any real element type.
        layer: The unit ids of the elements.

    Returns:
        One sum an element of the layer's ids, in their shape.
    """
    if tensor.dtype == np.float32 and tensor.size:
        sums = _float32_squares(tensor, _constant(layer))
        if sums.min() > _TINY and sums.max() < _HUGE:
            return sums
    return element_sums(tensor, layer, np.square)


def _constant(layer: Layer) -> tuple[int, ...]:
    return tuple(i for i, n in enumerate(layer.ids.shape) if n == 1 and i != layer.axis)


def _float32_squares(tensor: NDArray[Any], constant: tuple[int, ...]) -> Floats:
    """Sums of squares along axes, which are kept with extent 1."""
    rank, shape = tensor.ndim, tensor.shape
    first = next((i for i in range(rank) if i not in constant), rank)
    last = rank - next((i for i in range(rank) if rank - 1 - i not in constant), rank)
    with np.errstate(over="ignore"):
        if first:
            sums = _down(tensor.reshape(prod(shape[:first]), -1))
            sums = sums.reshape((1,) * first + shape[first:])
        else:
            sums = _across(tensor.reshape(prod(shape[:last]), -1))
            sums = sums.reshape(shape[:last] + (1,) * (rank - last))
    return np.asarray(sums.sum(axis=constant, keepdims=True), dtype=np.float64)


def _across(matrix: NDArray[Any]) -> Floats:
    """Sums of the squares in each row."""
    whole = matrix.shape[1] - matrix.shape[1] % _RUN
    runs, rest = matrix[:, :whole].reshape(len(matrix), -1, _RUN), matrix[:, whole:]
    sums = np.einsum("ijk,ijk->ij", runs, runs).sum(axis=1, dtype=np.float64)
    return np.asarray(sums + np.einsum("ij,ij->i", rest, rest), dtype=np.float64)


def _down(matrix: NDArray[Any]) -> Floats:
    """Sums of the squares in each column."""
    whole = len(matrix) - len(matrix) % _RUN
    runs, rest = matrix[:whole].reshape(-1, _RUN, matrix.shape[1]), matrix[whole:]
    sums = np.einsum("ijk,ijk->ik", runs, runs).sum(axis=0, dtype=np.float64)
    return np.asarray(sums + np.einsum("ij,ij->j", rest, rest), dtype=np.float64)


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


def mean_over_producers(coupling: Coupling, measure: Measure) -> dict[str, Floats]:
    """A measure of every unit in each of its producers, averaged over the producers.

    Args:
        coupling: The groups.
        measure: Given a producer, the layer of its axis and the units of a group, gives one
            number a unit, in the shape of the units.

    Returns:
        For every group by name, ``(rows, width)``.
    """
    found: dict[str, Floats] = {}
    for group in coupling:
        members = producers(coupling, group)
        total = np.zeros(group.units.shape)
        for member in members:
            for layer in coupling.layers[member.param]:
                if layer.axis == member.axis:
                    total += measure(member, layer, group.units)
        found[group.name] = total / len(members)
    return found


def mean_norms(
    coupling: Coupling, tensors: Tensors, sums: Sums, root: Elementwise
) -> dict[str, Floats]:
    """The norm of every unit in each of its producers, averaged over the producers.

    Args:
        coupling: The groups.
        tensors: Maps the name of a parameter value to its contents in the graph's shape.
        sums: Sums up a tensor along the axes where a layer does not vary.
        root: Applied to the sum over a unit.

    Returns:
        For every group by name, ``(rows, width)``.
    """
    known: dict[tuple[str, int], Floats] = {}  # a packed weight belongs to several groups

    def norm(member: Member, layer: Layer, units: Ids) -> Floats:
        key = (member.param, member.axis)
        if key not in known:
            known[key] = sums(tensors(member.param), layer)
        return root(_by_unit(known[key], layer.ids, units))

    return mean_over_producers(coupling, norm)


def _by_unit(sums: Floats, ids: Ids, units: Ids) -> Floats:
    """Sums over the elements of some units, in the shape of ``units``."""
    if ids.size == units.size and np.array_equal(ids.ravel(), units.ravel()):
        return sums.reshape(units.shape)
    highest = max(int(ids.max()), int(units.max()))
    return np.asarray(add_up(sums.ravel(), ids.ravel(), highest + 1)[units])
