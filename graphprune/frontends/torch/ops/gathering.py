"""Operators that pick elements one by one, and sliding windows of elements."""

from __future__ import annotations

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.convolution import spread
from graphprune.frontends.torch.ops.layout import permuted, reshaped
from graphprune.frontends.torch.ops.repetition import gathered
from graphprune.frontends.torch.rules import UnsupportedForm, lowers


@lowers("gather", "take_along_dim")
def gather(call: Call, builder: Builder) -> str:
    """Elements along one axis by indices of their own: that axis stays whole."""
    if not call.given("dim"):
        raise UnsupportedForm("indices into the flat tensor")
    x, index = call.tensor("self"), call.tensor("index", "indices")
    axis, shape = call.axis(builder.rank(x)), builder.shape(index)
    whole = builder.emit("scan", [x], axes=(axis,))
    if builder.shape(x)[:axis] + builder.shape(x)[axis + 1 :] != shape[:axis] + shape[axis + 1 :]:
        raise UnsupportedForm("indices for a part of the other axes")
    if builder.shape(x)[axis] != shape[axis]:
        whole = builder.emit("resize", [whole], shape=shape)
    return builder.emit("pointwise.gather", [whole, index])


@lowers("unfold")
def unfold(call: Call, builder: Builder) -> str:
    """Windows along an axis, their elements along a new last one."""
    x = call.tensor("self")
    axis = call.axis(builder.rank(x), "dimension")
    size, step = call.integer("size"), call.integer("step")
    starts = np.arange(0, builder.shape(x)[axis] - size + 1, step)
    windows = gathered(builder, x, starts[:, None] + np.arange(size), axis)
    order = [i for i in range(builder.rank(windows)) if i != axis + 1]
    return permuted(builder, windows, (*order, axis + 1))


@lowers("im2col")
def im2col(call: Call, builder: Builder) -> str:
    """Windows of an image as columns: every channel gives a block of consecutive rows."""
    x = call.tensor("self")
    if builder.rank(x) != 4:
        raise UnsupportedForm("an image without a batch axis")
    n, c = builder.shape(x)[:2]
    kernel, dilation, padding, stride = (
        spread(call.ints(name), 2) for name in ("kernel_size", "dilation", "padding", "stride")
    )
    if any(padding):
        x = builder.emit("pad", [x], pads=(0, 0, *padding) * 2, mode="constant")
    for axis, k, d, s in zip((2, 4), kernel, dilation, stride, strict=True):
        starts = np.arange(0, builder.shape(x)[axis] - d * (k - 1), s)
        x = gathered(builder, x, (np.arange(k) * d)[:, None] + starts, axis)
    size = kernel[0] * kernel[1]
    ordered = permuted(builder, x, (0, 1, 2, 4, 3, 5))
    return reshaped(builder, ordered, (n, c * size, call.shape()[2]))


@lowers("col2im")
def col2im(call: Call, builder: Builder) -> str:
    """Columns added up to an image: every block of consecutive rows makes one channel."""
    x = call.tensor("self")
    if builder.rank(x) != 3:
        raise UnsupportedForm("columns without a batch axis")
    n, rows, count = builder.shape(x)
    taps = int(np.prod(spread(call.ints("kernel_size"), 2)))
    blocks = reshaped(builder, x, (n, rows // taps, taps, count))
    # Where columns overlap they are added; like an interpolation, that stays within a channel.
    return builder.emit("resize", [blocks], shape=call.shape())
