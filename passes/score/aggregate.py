"""Sums of a parameter's elements over the units they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData
from graphprune.groups import Coupling, Group, Ids, Layer, Member
from graphprune.passes.score.registry import Tensors
from graphprune.terms import Floats, add_up

Elementwise = Callable[[Floats], Floats]
Tensor = NDArray[np.generic]
Sums = Callable[[Tensor, Layer], Floats]
Measure = Callable[[Member, Layer, Ids], Floats]
Speakers = Callable[[Group], Sequence[Member]]
Parts = dict[str, Floats]
Aggregate = Literal["mean", "sum", "max"]

# Elements that are widened to float64 at a time: large embeddings are never copied whole.
_SLAB = 1 << 18
# Squares that are summed in float32 before float64 takes over: few enough to cost no digit that
# float32 weights have, and enough to leave float64 little to do.
_RUN = 128
_TINY, _HUGE = 1e-30, 1e30  # sums of squares in float32 have all their digits between these

_AGGREGATES: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "mean": lambda found: found.sum(axis=0) / max(1, len(found)),
        "sum": lambda found: found.sum(axis=0),
        "max": lambda found: found.max(axis=0, initial=-np.inf if len(found) else 0.0),
    }
)


class Aggregating:
    """What criteria share that make one number of what several parameters say of a unit.

    Attributes:
        aggregate: What becomes of the numbers: their mean, sum or maximum.
    """

    aggregate: Aggregate

    def __post_init__(self) -> None:
        """Refuses an aggregate that there is not.

        Raises:
            BadData: It is none of those.
        """
        if self.aggregate not in _AGGREGATES:
            raise BadData(
                f"aggregate is '{self.aggregate}'", fix=f"choose one of: {', '.join(_AGGREGATES)}"
            )

    def aggregated(self, found: Mapping[str, Floats]) -> dict[str, Floats]:
        """One number a unit.

        Args:
            found: For every group by name, ``(parameters, rows, width)``.

        Returns:
            For every group by name, ``(rows, width)``; 0 where no parameter speaks.
        """
        return {name: _AGGREGATES[self.aggregate](rows) for name, rows in found.items()}


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


def parts(coupling: Coupling, speakers: Speakers, measure: Measure) -> Parts:
    """A measure of every unit in each of the parameters that speak for it.

    Args:
        coupling: The groups.
        speakers: Gives the parameters that speak for a group.
        measure: Given such a parameter, the layer of its axis and the units of a group, gives one
            number a unit, in the shape of the units.

    Returns:
        For every group by name, ``(parameters, rows, width)``.
    """
    found: Parts = {}
    for group in coupling:
        rows = [
            measure(member, layer, group.units)
            for member in speakers(group)
            for layer in coupling.layers[member.param]
            if layer.axis == member.axis
        ]
        found[group.name] = np.array(rows, dtype=np.float64).reshape(-1, *group.units.shape)
    return found


def parts_of(coupling: Coupling, tensors: Mapping[str, Tensor], function: Elementwise) -> Parts:
    """Sums of a function of tensors' elements over every unit, in each of its parameters.

    Args:
        coupling: The groups.
        tensors: Contents by the name of a parameter; all others do not speak.
        function: Applied to every element first, in float64.

    Returns:
        For every group by name, ``(parameters, rows, width)``.
    """
    return parts(
        coupling,
        lambda group: [member for member in group.members if member.param in tensors],
        sums_by_unit(lambda m, layer: element_sums(tensors[m.param], layer, function), np.positive),
    )


def sums_by_unit(sums: Callable[[Member, Layer], Floats], root: Elementwise) -> Measure:
    """A measure of units from sums along the axes where a layer does not vary.

    Args:
        sums: Gives them for a parameter's layer, in the shape of its ids; asked once for each.
        root: Applied to the sum over a unit.
    """
    known: dict[tuple[str, int], Floats] = {}  # a packed weight belongs to several groups

    def measure(member: Member, layer: Layer, units: Ids) -> Floats:
        key = (member.param, member.axis)
        if key not in known:
            known[key] = sums(member, layer)
        return root(_by_unit(known[key], layer.ids, units))

    return measure


def producer_norms(coupling: Coupling, tensors: Tensors, sums: Sums, root: Elementwise) -> Parts:
    """The norm of every unit in each of its producers.

    Args:
        coupling: The groups.
        tensors: Maps the name of a parameter value to its contents in the graph's shape.
        sums: Sums up a tensor along the axes where a layer does not vary.
        root: Applied to the sum over a unit.

    Returns:
        For every group by name, ``(producers, rows, width)``.
    """
    measure = sums_by_unit(lambda member, layer: sums(tensors(member.param), layer), root)
    return parts(coupling, partial(producers, coupling), measure)


def _by_unit(sums: Floats, ids: Ids, units: Ids) -> Floats:
    """Sums over the elements of some units, in the shape of ``units``."""
    if ids.size == units.size and np.array_equal(ids.ravel(), units.ravel()):
        return sums.reshape(units.shape)
    highest = max(int(ids.max()), int(units.max()))
    return np.asarray(add_up(sums.ravel(), ids.ravel(), highest + 1)[units])
