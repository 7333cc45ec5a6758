"""Operators that only move elements."""

from __future__ import annotations

from math import prod

from graphprune.frontends.onnx.axes import axes_of, axis_of
from graphprune.frontends.onnx.builder import Builder, lowers
from graphprune.frontends.onnx.native import Native
from graphprune.ir.graph import Shape


def _reshape(node: Native, builder: Builder, shape: Shape) -> None:
    builder.emit("reshape", [node.operand(0)], list(node.proto.output), shape=shape)


def _axes(node: Native, builder: Builder, index: int) -> tuple[int, ...] | None:
    """Axes by attribute (older opsets) or operand; None where neither is given."""
    if node.ints("axes") is not None:
        return node.ints("axes")
    return builder.needed_ints(node.operand(index)) if node.operand(index) else None


@lowers("Reshape")
def reshape(node: Native, builder: Builder) -> None:
    """A zero copies the extent, a minus one fits."""
    x = builder.shape(node.operand(0))
    wanted = node.ints("shape") or builder.needed_ints(node.operand(1))
    copies = not node.attrs.get("allowzero", 0)
    shape = [x[i] if n == 0 and copies else n for i, n in enumerate(wanted)]
    if -1 in shape:
        rest = prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = prod(x) // rest if rest else 0
    _reshape(node, builder, tuple(shape))


@lowers("Flatten")
def flatten(node: Native, builder: Builder) -> None:
    """A matrix."""
    x = builder.shape(node.operand(0))
    axis = int(node.attrs.get("axis", 1))
    axis = len(x) if axis == len(x) else axis_of(axis, len(x))
    _reshape(node, builder, (prod(x[:axis]), prod(x[axis:])))


@lowers("Squeeze")
def squeeze(node: Native, builder: Builder) -> None:
    """Axes of extent 1 dropped."""
    x = builder.shape(node.operand(0))
    given = _axes(node, builder, 1)
    axes = set(axes_of(given, len(x))) if given else {i for i, n in enumerate(x) if n == 1}
    _reshape(node, builder, tuple(n for i, n in enumerate(x) if i not in axes))


@lowers("Unsqueeze")
def unsqueeze(node: Native, builder: Builder) -> None:
    """Axes of extent 1 added."""
    x = list(builder.shape(node.operand(0)))
    axes = _axes(node, builder, 1) or ()
    rank = len(x) + len(axes)
    for axis in sorted(axes_of(axes, rank)):
        x.insert(axis, 1)
    _reshape(node, builder, tuple(x))


@lowers("Transpose")
def transpose(node: Native, builder: Builder) -> None:
    """Axes in another order."""
    rank = len(builder.shape(node.operand(0)))
    perm = node.ints("perm") or tuple(reversed(range(rank)))
    builder.emit("transpose", [node.operand(0)], list(node.proto.output), perm=perm)


@lowers("Slice")
def slice_(node: Native, builder: Builder) -> None:
    """Regular sub-ranges."""
    rank = len(builder.shape(node.operand(0)))
    if node.opset < 10:
        starts, ends = node.ints("starts") or (), node.ints("ends") or ()
        axes, steps = node.ints("axes"), None
    else:
        starts = builder.needed_ints(node.operand(1))
        ends = builder.needed_ints(node.operand(2))
        axes = builder.needed_ints(node.operand(3)) if node.operand(3) else None
        steps = builder.needed_ints(node.operand(4)) if node.operand(4) else None
    builder.emit(
        "slice",
        [node.operand(0)],
        list(node.proto.output),
        starts=starts,
        ends=ends,
        axes=axes_of(axes, rank) if axes is not None else tuple(range(len(starts))),
        steps=steps or (1,) * len(starts),
    )


@lowers("Split")
def split(node: Native, builder: Builder) -> None:
    """Consecutive pieces, equal ones where sizes are not given."""
    x = builder.shape(node.operand(0))
    axis = axis_of(int(node.attrs.get("axis", 0)), len(x))
    sizes = node.ints("split")
    if sizes is None and node.operand(1):
        sizes = builder.needed_ints(node.operand(1))
    if sizes is None:
        count = len(node.proto.output)
        piece = -(-x[axis] // count)
        sizes = (piece,) * (count - 1) + (x[axis] - piece * (count - 1),)
    builder.emit("split", [node.operand(0)], list(node.proto.output), axis=axis, sizes=sizes)


@lowers("Concat")
def concat(node: Native, builder: Builder) -> None:
    """Operands end to end."""
    rank = len(builder.shape(node.operand(0)))
    axis = axis_of(int(node.attrs.get("axis", 1)), rank)
    builder.emit("concat", list(node.proto.input), list(node.proto.output), axis=axis)


@lowers("Expand")
def expand(node: Native, builder: Builder) -> None:
    """Broadcast to a shape."""
    shape = builder.needed_ints(node.operand(1))
    builder.emit("expand", [node.operand(0)], list(node.proto.output), shape=shape)


@lowers("Tile")
def tile(node: Native, builder: Builder) -> None:
    """Repeated along axes."""
    repeats = builder.needed_ints(node.operand(1))
    builder.emit("tile", [node.operand(0)], list(node.proto.output), repeats=repeats)


@lowers("Pad")
def pad(node: Native, builder: Builder) -> None:
    """Borders; ``mode`` tells what they hold."""
    rank = len(builder.shape(node.operand(0)))
    pads = node.ints("pads") or node.ints("paddings")
    if pads is None:
        pads = builder.needed_ints(node.operand(1))
        if node.operand(3):
            axes = axes_of(builder.needed_ints(node.operand(3)), rank)
            full = [0] * (2 * rank)
            for i, axis in enumerate(axes):
                full[axis], full[axis + rank] = pads[i], pads[i + len(axes)]
            pads = tuple(full)
    mode = str(node.attrs.get("mode", "constant"))
    builder.emit("pad", [node.operand(0)], list(node.proto.output), pads=pads, mode=mode)


@lowers("DepthToSpace")
def depth_to_space(node: Native, builder: Builder) -> None:
    """Pixel shuffle; DCR has the block first, CRD the channel."""
    builder.emit(
        "depth_to_space",
        [node.operand(0)],
        list(node.proto.output),
        block=int(node.attrs["blocksize"]),
        channel_first=node.attrs.get("mode", "DCR") == "CRD",
    )


@lowers("SpaceToDepth")
def space_to_depth(node: Native, builder: Builder) -> None:
    """Pixels become channels, the block first."""
    block = int(node.attrs["blocksize"])
    builder.emit("space_to_depth", [node.operand(0)], list(node.proto.output), block=block)


@lowers("ConstantOfShape")
def fill(node: Native, builder: Builder) -> None:
    """A tensor of one number is a parameter of any extent."""
    from onnx import numpy_helper

    shape = builder.needed_ints(node.operand(0))
    value = node.attrs.get("value")
    dtype = "float32" if value is None else str(numpy_helper.to_array(value).dtype)
    builder.fill(node.proto.output[0], shape, dtype)
