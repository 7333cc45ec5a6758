"""Which elements of a tensor survive, and taking just these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Alive, Coupling, Ids, Layer

_BLOCK = 1 << 21  # elements that are read from a file at a time


@dataclass(frozen=True, eq=False)
class Cut:
    """The surviving indices along one axis.

    Attributes:
        axis: The axis that gets shorter.
        rows: Axes along which the indices differ; empty where they do not.
        kept: Ascending indices, one line a row: ``(rows, left)``.
        extents: Extents of the row axes.
    """

    axis: int
    rows: tuple[int, ...]
    kept: Ids
    extents: tuple[int, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for cuts that do the same."""
        return self.axis, self.rows, self.kept.shape, self.kept.tobytes()


def cuts(coupling: Coupling, name: str, alive: Alive) -> tuple[Cut, ...]:
    """What a plan takes from a value; axes that lose nothing are left out.

    Args:
        coupling: Result of the couple pass.
        name: A value of its graph.
        alive: Whether each unit lives, by unit id.
    """
    found = [_cut(layer, alive) for layer in coupling.layers.get(name, ())]
    # Cuts by rows come first: they count on rows as they were.
    return tuple(sorted((c for c in found if c is not None), key=lambda c: (not c.rows, c.axis)))


def _cut(layer: Layer, alive: Alive) -> Cut | None:
    living = alive[layer.rectangle()]
    if living.all():
        return None
    if not layer.rows or (living == living[:1]).all():
        return Cut(layer.axis, (), np.flatnonzero(living[0])[None, :], ())
    kept = np.stack([np.flatnonzero(line) for line in living])
    extents = tuple(layer.ids.shape[r] for r in layer.rows)
    return Cut(layer.axis, layer.rows, kept, extents)


def take(array: NDArray[Any], wanted: tuple[Cut, ...]) -> NDArray[Any]:
    """The surviving part of an array, contiguous.

    Args:
        array: The whole tensor; a memory map is read only where it survives.
        wanted: From :func:`cuts`.
    """
    for cut in wanted:
        if not cut.rows:
            array = np.take(array, cut.kept[0], axis=cut.axis)
            continue
        order = (*cut.rows, cut.axis)
        others = [i for i in range(array.ndim) if i not in order]
        moved = array.transpose(*order, *others)
        flat = moved.reshape(-1, array.shape[cut.axis], *moved.shape[len(order) :])
        index = cut.kept.reshape(cut.kept.shape + (1,) * len(others))
        picked = np.take_along_axis(flat, index, axis=1)
        picked = picked.reshape(*cut.extents, -1, *moved.shape[len(order) :])
        array = picked.transpose(np.argsort((*order, *others)))
    return np.ascontiguousarray(array)


def take_rows(
    read: Callable[[int, int], NDArray[Any]], shape: Sequence[int], wanted: tuple[Cut, ...]
) -> NDArray[Any]:
    """As :func:`take`, of a tensor in a file, which is never whole in memory.

    Args:
        read: Gives the part of the tensor between two indices of its first axis.
        shape: Of the whole tensor.
        wanted: From :func:`cuts`, none of them by rows.
    """
    by_axis = {cut.axis: cut.kept[0] for cut in wanted}
    first = by_axis.pop(0, np.arange(shape[0]))
    others = tuple(cut for cut in wanted if cut.axis)
    result: NDArray[Any] | None = None
    width = max(1, _BLOCK // max(1, prod(shape[1:])))
    for start in range(0, shape[0], width):
        low, high = np.searchsorted(first, (start, start + width))
        if low == high:
            continue
        block = read(start, min(start + width, shape[0]))
        part = take(block[first[low:high] - start], others)
        if result is None:
            result = np.empty((first.size, *part.shape[1:]), part.dtype)
        result[low:high] = part
    assert result is not None, "every cut keeps something"
    return result


def dead(coupling: Coupling, alive: Alive) -> Iterator[str]:
    """Names of values that lose something."""
    for name, layers in coupling.layers.items():
        if any(not alive[layer.ids].all() for layer in layers):
            yield name
