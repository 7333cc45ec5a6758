"""Gathers: constant indices move elements, computed ones look up a table."""

from __future__ import annotations

from graphprune.frontends.onnx.axes import axis_of
from graphprune.frontends.onnx.builder import Builder, lowers
from graphprune.frontends.onnx.native import Native
from graphprune.ir import Value


@lowers("Gather")
def gather(node: Native, builder: Builder) -> None:
    """Whole slices by index."""
    data, index = node.operand(0), node.operand(1)
    axis = axis_of(int(node.attrs.get("axis", 0)), len(builder.shape(data)))
    constant = builder.const(index)
    if constant is None:
        dtype = builder.dtype(data)
        builder.emit("lookup", [data, index], list(node.proto.output), dtype=dtype, axis=axis)
        return
    size = builder.shape(data)[axis]
    name = builder.temporary()
    if constant.size and not -size <= constant.min() <= constant.max() < size:
        raise ValueError(f"indices from {constant.min()} to {constant.max()} of {size}")
    wrapped = constant.astype("int64") % max(size, 1)
    builder.values[name] = Value(name, constant.shape, "int64", "const", wrapped)
    builder.emit("gather", [data, name], list(node.proto.output), axis=axis)
