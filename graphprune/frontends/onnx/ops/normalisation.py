"""Normalisations and softmaxes."""

from __future__ import annotations

from math import prod

from graphprune.frontends.onnx.axes import axes_of, axis_of
from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native


@lowers("BatchNormalization")
def batch_norm(node: Native, builder: Builder) -> None:
    """With statistics of its own, or (training mode) of what it reads."""
    if not node.attrs.get("spatial", 1):
        raise UnsupportedForm("statistics of every pixel")
    if any(builder.is_read(name) for name in node.proto.output[1:]):
        raise UnsupportedForm("the batch statistics are read")
    op = "instance_norm" if node.attrs.get("training_mode") else "batch_norm"
    builder.emit(op, list(node.proto.input), [node.proto.output[0]])


@lowers("InstanceNormalization")
def instance_norm(node: Native, builder: Builder) -> None:
    """Statistics of every channel of every image."""
    builder.emit("instance_norm", list(node.proto.input), list(node.proto.output))


@lowers("GroupNormalization")
def group_norm(node: Native, builder: Builder) -> None:
    """Statistics of groups of channels; before opset 21 its scale is one number a group."""
    groups = int(node.attrs["num_groups"])
    channels = builder.shape(node.operand(0))[1]
    if builder.shape(node.operand(1)) != (channels,):
        builder.freeze(node.operand(0), "one scale a group instead of one a channel")
        builder.emit("pointwise.group_norm", [node.operand(0)], list(node.proto.output))
        return
    builder.emit("group_norm", list(node.proto.input), list(node.proto.output), groups=groups)


@lowers("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def layer_norm(node: Native, builder: Builder) -> None:
    """Statistics over the last axes."""
    if any(builder.is_read(name) for name in node.proto.output[1:]):
        raise UnsupportedForm("the statistics are read")
    rank = len(builder.shape(node.operand(0)))
    axis = axis_of(int(node.attrs.get("axis", -1)), rank)
    axes = tuple(range(axis, rank))
    builder.emit("layer_norm", list(node.proto.input), [node.proto.output[0]], axes=axes)


@lowers("com.microsoft::SkipLayerNormalization")
def skip_layer_norm(node: Native, builder: Builder) -> None:
    """An addition, then a layer norm over the last axis."""
    if any(builder.is_read(name) for name in node.proto.output[1:3]):
        raise UnsupportedForm("the statistics are read")
    x, skip, scale, shift, bias = (node.operand(i) for i in range(5))
    total = node.proto.output[3] if len(node.proto.output) > 3 else ""
    total = total or builder.temporary()
    builder.emit("pointwise.add", [n for n in (x, skip, bias) if n], [total])
    axes = (len(builder.shape(x)) - 1,)
    operands = [total, scale, shift] if shift else [total, scale]
    builder.emit("layer_norm", operands, [node.proto.output[0]], axes=axes)


@lowers("LRN")
def lrn(node: Native, builder: Builder) -> None:
    """Windows across channels."""
    builder.emit("lrn", [node.operand(0)], list(node.proto.output))


@lowers("Softmax", "LogSoftmax", "Hardmax")
def softmax(node: Native, builder: Builder) -> None:
    """One axis from opset 13 on, all from the axis before."""
    x = builder.shape(node.operand(0))
    rank = len(x)
    if node.opset >= 13:
        axes: tuple[int, ...] = (axis_of(int(node.attrs.get("axis", -1)), rank),)
    else:
        axes = tuple(range(axis_of(int(node.attrs.get("axis", 1)), rank), rank))
        axes = tuple(a for a in axes if x[a] > 1) or axes[-1:]
    builder.emit("softmax", [node.operand(0)], list(node.proto.output), axes=axes)


@lowers("LpNormalization", "MeanVarianceNormalization")
def vector_norm(node: Native, builder: Builder) -> None:
    """Divides by a statistic of one or more axes."""
    x = builder.shape(node.operand(0))
    if node.op_type == "LpNormalization":
        axes: tuple[int, ...] = (axis_of(int(node.attrs.get("axis", -1)), len(x)),)
    else:
        axes = axes_of(node.ints("axes") or (0, 2, 3), len(x))
    if prod(x[a] for a in axes) == 1:
        raise UnsupportedForm("a norm over nothing")
    builder.emit("softmax", [node.operand(0)], list(node.proto.output), axes=axes)


@lowers("CumSum")
def cumulative(node: Native, builder: Builder) -> None:
    """A running sum along one axis."""
    rank = len(builder.shape(node.operand(0)))
    axis = axis_of(builder.needed_ints(node.operand(1))[0], rank)
    builder.emit("scan", [node.operand(0)], list(node.proto.output), axes=(axis,))


@lowers("Trilu")
def triangle(node: Native, builder: Builder) -> None:
    """A triangle of the last two axes."""
    rank = len(builder.shape(node.operand(0)))
    builder.emit("scan", [node.operand(0)], list(node.proto.output), axes=(rank - 2, rank - 1))
