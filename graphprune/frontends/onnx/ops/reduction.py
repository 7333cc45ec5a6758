"""Reductions over axes."""

from __future__ import annotations

from graphprune.frontends.onnx.axes import axes_of, axis_of
from graphprune.frontends.onnx.builder import Builder, lowers
from graphprune.frontends.onnx.native import Native

_MEMBERS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min",
    "ReduceProd": "prod", "ReduceL1": "l1", "ReduceL2": "l2", "ReduceSumSquare": "sumsquare",
    "ReduceLogSum": "logsum", "ReduceLogSumExp": "logsumexp",
}  # fmt: skip


@lowers(*_MEMBERS)
def reduce(node: Native, builder: Builder) -> None:
    """Axes by attribute or operand; all where neither is given."""
    rank = len(builder.shape(node.operand(0)))
    axes = node.ints("axes")
    if axes is None and node.operand(1):
        axes = builder.needed_ints(node.operand(1))
    keep = bool(node.attrs.get("keepdims", 1))
    if not axes and node.attrs.get("noop_with_empty_axes"):
        builder.emit("pointwise.identity", [node.operand(0)], list(node.proto.output))
        return
    full = tuple(sorted(axes_of(axes, rank))) if axes else tuple(range(rank))
    member = "reduce." + _MEMBERS[node.op_type]
    builder.emit(member, [node.operand(0)], list(node.proto.output), axes=full, keepdims=keep)


@lowers("ArgMax", "ArgMin")
def arg(node: Native, builder: Builder) -> None:
    """The index of the largest or smallest element."""
    rank = len(builder.shape(node.operand(0)))
    axis = axis_of(int(node.attrs.get("axis", 0)), rank)
    keep = bool(node.attrs.get("keepdims", 1))
    outputs = list(node.proto.output)
    builder.emit(
        "reduce.arg", [node.operand(0)], outputs, dtype="int64", axes=(axis,), keepdims=keep
    )
