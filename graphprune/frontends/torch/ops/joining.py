"""Operators that join values or take them apart along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.layout import permuted, reshaped
from graphprune.frontends.torch.rules import UnsupportedForm, lowers


def joined(builder: Builder, names: Sequence[str], axis: int) -> str:
    """Values end to end; a single one is itself."""
    return names[0] if len(names) == 1 else builder.emit("concat", names, axis=axis)


@lowers("cat", "concat", "concatenate")
def cat(call: Call, builder: Builder) -> str:
    """End to end; empty vectors of any rank count for nothing."""
    rank = len(call.shape())
    names = [n for n in call.tensors("tensors") if builder.shape(n) != (0,) or rank == 1]
    return joined(builder, names, call.axis(rank))


@lowers("stack")
def stack(call: Call, builder: Builder) -> str:
    """Along a new axis."""
    axis, names = call.axis(len(call.shape())), call.tensors("tensors")
    lifted = []
    for name in names:
        shape = builder.shape(name)
        lifted.append(reshaped(builder, name, (*shape[:axis], 1, *shape[axis:])))
    return joined(builder, lifted, axis)


@lowers("hstack", "vstack", "dstack", "column_stack", "row_stack")
def stack_at_least(call: Call, builder: Builder) -> str:
    """Along an axis of their own, after missing axes of extent 1 are added."""
    op, names = call.op, []
    for name in call.tensors("tensors"):
        shape = builder.shape(name) or (1,)
        if op in ("vstack", "row_stack", "dstack") and len(shape) == 1:
            shape = (1, *shape)
        if op == "dstack" and len(shape) == 2:
            shape = (*shape, 1)
        if op == "column_stack" and len(shape) == 1:
            shape = (*shape, 1)
        names.append(reshaped(builder, name, shape))
    axis = {"vstack": 0, "row_stack": 0, "dstack": 2}.get(op, min(1, builder.rank(names[0]) - 1))
    return joined(builder, names, axis)


@lowers(
    "split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk",
    "unsafe_split_with_sizes", "split_copy", "split_with_sizes_copy",
)  # fmt: skip
def split(call: Call, builder: Builder) -> list[str]:
    """Consecutive pieces of the extents that tracing found."""
    x = call.tensor("self")
    axis = call.axis(builder.rank(x))
    sizes = tuple(call.shape(i)[axis] for i in range(len(call.metas)))
    if len(sizes) == 1:
        return [x]
    if sum(sizes) != builder.shape(x)[axis]:
        raise UnsupportedForm("pieces that overlap or leave something out")
    return builder.emit_all("split", [x], len(sizes), axis=axis, sizes=sizes)


@lowers("unbind", "unbind_copy")
def unbind(call: Call, builder: Builder) -> list[str]:
    """Slices of extent 1, without their axis."""
    x = call.tensor("self")
    axis, shape = call.axis(builder.rank(x)), builder.shape(x)
    rest, count = (*shape[:axis], *shape[axis + 1 :]), shape[axis]
    if count < 2:
        return [reshaped(builder, x, rest)] * count
    pieces = builder.emit_all("split", [x], count, axis=axis, sizes=(1,) * count)
    return [
        reshaped(builder, piece, rest) if call.is_read(i) else "" for i, piece in enumerate(pieces)
    ]


@lowers("meshgrid")
def meshgrid(call: Call, builder: Builder) -> list[str]:
    """Every vector along an axis of its own; ``xy`` exchanges the first two."""
    names = call.tensors("tensors")
    swapped = call.arguments.get("indexing") == "xy" and len(names) > 1
    found = []
    for i, name in enumerate(names):
        place = 1 - i if swapped and i < 2 else i
        shape = [1] * len(names)
        shape[place] = builder.shape(name)[0] if builder.shape(name) else 1
        lifted = reshaped(builder, name, tuple(shape))
        found.append(builder.emit("expand", [lifted], shape=call.shape(i)))
    return found


@lowers("pixel_shuffle")
def pixel_shuffle(call: Call, builder: Builder) -> str:
    """Blocks of consecutive channels become pixels."""
    x = call.tensor("self")
    if builder.rank(x) != 4:
        raise UnsupportedForm("pixels of other than one batch of images")
    block = call.integer("upscale_factor")
    return builder.emit("depth_to_space", [x], block=block, channel_first=True)


@lowers("pixel_unshuffle")
def pixel_unshuffle(call: Call, builder: Builder) -> str:
    """Pixels become blocks of consecutive channels."""
    x, r = call.tensor("self"), call.integer("downscale_factor")
    *lead, c, h, w = builder.shape(x)
    n = len(lead)
    parts = builder.emit("reshape", [x], shape=(*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return builder.emit("reshape", [permuted(builder, parts, order)], shape=call.shape())


@lowers("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: Call, builder: Builder) -> str:
    """The first channel of every group, then the second ones, and so on."""
    x, groups = call.tensor("self", "input"), call.integer("groups", 1)
    channels = builder.shape(x)[1]
    each = channels // groups
    perm = tuple(g * each + i for i in range(each) for g in range(groups))
    return builder.emit("shuffle", [x], axis=1, perm=perm)
