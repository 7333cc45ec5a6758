"""Which elements of a tensor survive, and taking just these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.copies import repeated
from graphprune.groups import Coupling, Ids, Layer, Left

_BLOCK = 1 << 21  # elements that are read from a file at a time
_PIECE = 1 << 16  # elements that are cut along several axes at a time


@dataclass(frozen=True, eq=False)
class Cut:
    """The surviving indices along one axis.

    Attributes:
        axis: The axis that gets shorter.
        rows: Axes along which the indices differ; empty where they do not.
        kept: Ascending indices, one line a row: ``(rows, left)``; where an axis grows, runs of
            them once more for each channel that is new.
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


def cuts(
    coupling: Coupling,
    name: str,
    alive: Left,
    known: dict[Layer, Cut | None] | None = None,
) -> tuple[Cut, ...]:
    """What a plan takes from a value; axes that lose nothing are left out.

    Args:
        coupling: Result of the couple pass.
        name: A value of its graph.
        alive: Whether each unit lives, or how many stand for it, by unit id.
        known: What was found for layers of other values and is noted for the next ones.
    """
    known = {} if known is None else known
    found: list[Cut] = []
    for layer in coupling.layers.get(name, ()):
        if layer not in known:
            known[layer] = _cut(layer, alive)
        cut = known[layer]
        if cut is not None:
            found.append(cut)
    # Cuts by rows come first: they count on rows as they were.
    return tuple(sorted(found, key=lambda cut: (not cut.rows, cut.axis)))


def _cut(layer: Layer, alive: Left) -> Cut | None:
    living = alive[layer.rectangle()]
    if (living == 1).all():
        return None
    if len(living) == 1 or (living == living[:1]).all():
        return Cut(layer.axis, (), repeated(layer.line, living[0])[None, :], ())
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
        if cut.rows:
            array = _take_by_rows(array, cut)
    plain = tuple(cut for cut in wanted if not cut.rows)
    if not plain:
        return np.ascontiguousarray(array)
    first, others = _first_axis(plain, array.shape[0])
    result = np.empty(_left(array.shape, plain), array.dtype)
    _gather(array, first, others, result)
    return result


def _take_by_rows(array: NDArray[Any], cut: Cut) -> NDArray[Any]:
    order = (*cut.rows, cut.axis)
    others = [i for i in range(array.ndim) if i not in order]
    moved = array.transpose(*order, *others)
    flat = moved.reshape(-1, array.shape[cut.axis], *moved.shape[len(order) :])
    index = cut.kept.reshape(cut.kept.shape + (1,) * len(others))
    picked = np.take_along_axis(flat, index, axis=1)
    picked = picked.reshape(*cut.extents, -1, *moved.shape[len(order) :])
    return picked.transpose(np.argsort((*order, *others)))


def take_rows(
    read: Callable[[int, int], NDArray[Any]], shape: Sequence[int], wanted: tuple[Cut, ...]
) -> NDArray[Any]:
    """As :func:`take`, of a tensor in a file, which is never whole in memory.

    Args:
        read: Gives the part of the tensor between two indices of its first axis.
        shape: Of the whole tensor.
        wanted: From :func:`cuts`, none of them by rows.
    """
    first, others = _first_axis(wanted, shape[0])
    result: NDArray[Any] | None = None
    width = max(1, _BLOCK // max(1, prod(shape[1:])))
    for start in range(0, shape[0], width):
        low, high = np.searchsorted(first, (start, start + width))
        if low == high:
            continue
        block = read(start, min(start + width, shape[0]))
        if result is None:
            result = np.empty(_left(shape, wanted), block.dtype)
        _gather(block, first[low:high] - start, others, result[low:high])
    assert result is not None, "every cut keeps something"
    return result


def _first_axis(wanted: tuple[Cut, ...], extent: int) -> tuple[Ids, tuple[Cut, ...]]:
    """What survives along the first axis, and the cuts along others."""
    kept = next((cut.kept[0] for cut in wanted if cut.axis == 0), np.arange(extent))
    return kept, tuple(cut for cut in wanted if cut.axis)


def _left(shape: Sequence[int], wanted: tuple[Cut, ...]) -> tuple[int, ...]:
    kept = {cut.axis: cut.kept.shape[1] for cut in wanted}
    return tuple(kept.get(axis, extent) for axis, extent in enumerate(shape))


def _gather(array: NDArray[Any], first: Ids, others: tuple[Cut, ...], result: NDArray[Any]) -> None:
    """Fill ``result`` with the surviving part of an array.

    Several cuts are made piece by piece, so that what lies between them stays in the cache.

    Args:
        array: The whole, or part of it along the first axis.
        first: Ascending indices that survive along the first axis.
        others: Cuts along other axes.
        result: Takes the survivors.
    """
    if not others:
        _take_lines(array, first, result)
        return
    *earlier, last = others
    whole = first.size == len(array) and bool((first == np.arange(first.size)).all())
    step = max(1, _PIECE // max(1, prod(array.shape[1:])))
    buffer = np.empty((min(step, first.size), *array.shape[1:]), array.dtype)
    for at in range(0, first.size, step):
        rows = first[at : at + step]
        part = array[at : at + step]
        if not whole:
            part = _take_lines(array, rows, buffer[: rows.size])
        for cut in earlier:
            part = np.take(part, cut.kept[0], axis=cut.axis)
        np.take(part, last.kept[0], axis=last.axis, out=result[at : at + step], mode="clip")


def _take_lines(array: NDArray[Any], kept: Ids, out: NDArray[Any]) -> NDArray[Any]:
    """Take along the first axis into a contiguous array, and give that."""
    lines, target = array, out
    if not array.flags.aligned and array.flags.c_contiguous:
        # As bytes: of elements that are not aligned in their file NumPy would first copy all.
        lines, target = (x.reshape(len(x), -1).view(np.uint8) for x in (array, out))
    # With indices clipped instead of checked NumPy writes into `out` itself, not to a copy.
    np.take(lines, kept, axis=0, out=target, mode="clip")
    return out
