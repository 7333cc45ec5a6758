"""Operators that repeat or rotate elements."""

from __future__ import annotations

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.constants import Array
from graphprune.frontends.torch.ops.layout import reshaped
from graphprune.frontends.torch.rules import UnsupportedForm, lowers
from graphprune.ir.graph import Shape


def gathered(builder: Builder, x: str, index: Array, axis: int) -> str:
    """Elements by constant indices along an axis; negative ones count from the end."""
    size = max(builder.shape(x)[axis], 1)
    wrapped = builder.constant(np.asarray(index).astype(np.int64) % size)
    return builder.emit("gather", [x, wrapped], axis=axis)


def _expanded(builder: Builder, x: str, shape: Shape) -> str:
    return x if builder.shape(x) == shape else builder.emit("expand", [x], shape=shape)


@lowers("expand", "expand_as", "broadcast_to", "expand_copy")
def expand(call: Call, builder: Builder) -> str:
    """Broadcast to the shape that tracing found."""
    return _expanded(builder, call.tensor("self"), call.shape())


@lowers("broadcast_tensors")
def broadcast(call: Call, builder: Builder) -> list[str]:
    """All to one shape."""
    names = call.tensors("tensors")
    return [_expanded(builder, name, call.shape(i)) for i, name in enumerate(names)]


@lowers("repeat", "tile")
def repeat(call: Call, builder: Builder) -> str:
    """Whole tensors laid side by side; missing axes are added in front."""
    x, repeats = call.tensor("self"), call.ints("repeats") or call.ints("dims")
    shape = builder.shape(x)
    repeats = (1,) * (len(shape) - len(repeats)) + repeats
    lifted = reshaped(builder, x, (1,) * (len(repeats) - len(shape)) + shape)
    return builder.emit("tile", [lifted], repeats=repeats)


@lowers("repeat_interleave")
def repeat_interleave(call: Call, builder: Builder) -> str:
    """Every element repeated where it stands."""
    if not call.given("self"):
        raise UnsupportedForm("indices computed at run time")
    x = call.tensor("self")
    if not call.given("dim"):
        x = reshaped(builder, x, (int(np.prod(builder.shape(x), dtype=np.int64)),))
    axis = call.axis(builder.rank(x)) if call.given("dim") else 0
    repeats = builder.constants.array(call.arguments["repeats"])
    if repeats is None:
        repeats = np.array(call.integer("repeats"))
    return gathered(builder, x, np.repeat(np.arange(builder.shape(x)[axis]), repeats), axis)


@lowers("flip", "fliplr", "flipud")
def flip(call: Call, builder: Builder) -> str:
    """Axes the other way round."""
    x = call.tensor("self")
    axes = {"fliplr": (1,), "flipud": (0,)}.get(call.op) or call.axes(builder.rank(x), "dims")
    for axis in axes:
        x = gathered(builder, x, np.arange(builder.shape(x)[axis])[::-1], axis)
    return x


@lowers("roll")
def roll(call: Call, builder: Builder) -> str:
    """Axes rotated; the flat tensor where none are given."""
    x, shifts, axes = call.tensor("self"), call.ints("shifts"), call.ints("dims")
    shape = builder.shape(x)
    if not axes:
        x, axes = reshaped(builder, x, (int(np.prod(shape, dtype=np.int64)),)), (0,)
    for axis, shift in zip(axes, shifts, strict=True):
        axis %= builder.rank(x)
        size = builder.shape(x)[axis]
        if size and shift % size:
            x = gathered(builder, x, np.roll(np.arange(size), shift), axis)
    return reshaped(builder, x, shape)
