"""Operators that pick elements by place: slices and constant indices, computed indices."""

from __future__ import annotations

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.constants import Array
from graphprune.frontends.torch.ops.joining import joined
from graphprune.frontends.torch.ops.layout import permuted, reshaped
from graphprune.frontends.torch.ops.repetition import gathered
from graphprune.frontends.torch.rules import UnsupportedForm, lowers


def sliced(builder: Builder, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
    """A range of an axis; the value itself where that is all of it."""
    size = builder.shape(x)[axis]
    start, end, step = slice(start, end, step).indices(size)
    if (start, end, step) == (0, size, 1):
        return x
    end = max(start, end)
    if step > 1 and size % step == 0 and start < step and end > size - step + start:
        return _every(builder, x, axis, start, step)
    return builder.emit("slice", [x], axes=(axis,), starts=(start,), ends=(end,), steps=(step,))


def _every(builder: Builder, x: str, axis: int, start: int, step: int) -> str:
    """One place of every block of consecutive ones: blocks keep together what is apart otherwise.

    Rotary embeddings exchange the places of a pair this way, so pairs are what can be removed.
    """
    shape = builder.shape(x)
    lead, rest = shape[:axis], shape[axis + 1 :]
    blocks = reshaped(builder, x, (*lead, shape[axis] // step, step, *rest))
    return selected(builder, blocks, axis + 1, start)


def selected(builder: Builder, x: str, axis: int, index: int) -> str:
    """One place of an axis, without the axis."""
    shape = builder.shape(x)
    index %= max(shape[axis], 1)
    piece = sliced(builder, x, axis, index, index + 1)
    return reshaped(builder, piece, (*shape[:axis], *shape[axis + 1 :]))


def _bounds(call: Call, size: int) -> tuple[int, int]:
    """Start and end of a slice; an end beyond the extent is the extent."""
    return call.integer("start"), min(call.integer("end", size), size)


@lowers("slice", "slice_copy")
def slice_(call: Call, builder: Builder) -> str:
    """A range of an axis."""
    x = call.tensor("self")
    axis = call.axis(builder.rank(x))
    start, end = _bounds(call, builder.shape(x)[axis])
    return sliced(builder, x, axis, start, end, call.integer("step", 1))


@lowers("narrow", "narrow_copy")
def narrow(call: Call, builder: Builder) -> str:
    """A range by start and length."""
    x = call.tensor("self")
    axis = call.axis(builder.rank(x))
    start = call.integer("start") % max(builder.shape(x)[axis], 1)
    return sliced(builder, x, axis, start, start + call.integer("length"))


@lowers("select", "select_copy")
def select(call: Call, builder: Builder) -> str:
    """One place of an axis."""
    x = call.tensor("self")
    return selected(builder, x, call.axis(builder.rank(x)), call.integer("index"))


@lowers("slice_scatter")
def slice_scatter(call: Call, builder: Builder) -> str:
    """A range of an axis replaced."""
    x, new = call.tensor("self"), call.tensor("src")
    axis = call.axis(builder.rank(x))
    size = builder.shape(x)[axis]
    if call.integer("step", 1) != 1:
        raise UnsupportedForm("every n-th place replaced")
    start, end, _ = slice(*_bounds(call, size)).indices(size)
    parts = [(x, 0, start), (new, 0, max(end - start, 0)), (x, max(start, end), size)]
    pieces = [sliced(builder, name, axis, a, b) for name, a, b in parts if b > a]
    return joined(builder, pieces, axis)


@lowers("select_scatter")
def select_scatter(call: Call, builder: Builder) -> str:
    """One place of an axis replaced."""
    x, shape = call.tensor("self"), call.shape()
    axis = call.axis(len(shape))
    place = call.integer("index") % max(shape[axis], 1)
    new = reshaped(builder, call.tensor("src"), (*shape[:axis], 1, *shape[axis + 1 :]))
    parts = [(x, 0, place), (new, 0, 1), (x, place + 1, shape[axis])]
    pieces = [sliced(builder, name, axis, a, b) for name, a, b in parts if b > a]
    return joined(builder, pieces, axis)


def _looked_up(call: Call, builder: Builder, x: str, index: str, axis: int) -> str:
    """By indices that are constant if they are known, else looked up."""
    contents = builder.constants.array(call.operand(index))
    if contents is not None:
        return gathered(builder, x, contents, axis)
    return builder.emit("lookup", [x, call.tensor(index)], axis=axis)


@lowers("index_select")
def index_select(call: Call, builder: Builder) -> str:
    """Places of one axis by a vector of indices."""
    x = call.tensor("self")
    return _looked_up(call, builder, x, "index", call.axis(builder.rank(x)))


@lowers("embedding")
def embedding(call: Call, builder: Builder) -> str:
    """Rows of a table."""
    return _looked_up(call, builder, call.tensor("weight"), "indices", 0)


@lowers("index")
def index(call: Call, builder: Builder) -> str:
    """Places by one tensor of indices an axis."""
    given = call.arguments["indices"]
    axes = [i for i, node in enumerate(given) if node is not None]
    if any(str(given[i].meta["val"].dtype) in ("torch.bool", "torch.uint8") for i in axes):
        raise UnsupportedForm("a mask picks elements")
    x = call.tensor("self")
    known = [builder.constants.array(given[i]) for i in axes]
    found = [indices for indices in known if indices is not None]
    if len(found) == len(axes):
        return _advanced(builder, x, axes, found)
    if len(axes) > 1:
        raise UnsupportedForm("several axes by computed indices")
    return builder.emit("lookup", [x, call.value_of(given[axes[0]])], axis=axes[0])


def _advanced(builder: Builder, x: str, places: list[int], found: list[Array]) -> str:
    """NumPy's advanced indexing with constant indices, as one gather along merged axes."""
    rank, shape = builder.rank(x), builder.shape(x)
    if places != list(range(places[0], places[0] + len(places))):
        rest = [i for i in range(rank) if i not in places]
        x, places = permuted(builder, x, (*places, *rest)), list(range(len(places)))
        shape = builder.shape(x)
    first, end = places[0], places[-1] + 1
    flat = [np.where(f < 0, f + n, f) for f, n in zip(found, shape[first:end], strict=True)]
    merged = np.ravel_multi_index(np.broadcast_arrays(*flat), shape[first:end])
    size = int(np.prod(shape[first:end], dtype=np.int64))
    x = reshaped(builder, x, (*shape[:first], size, *shape[end:]))
    return gathered(builder, x, np.asarray(merged), first)
