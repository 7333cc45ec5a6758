"""Gathers: constant indices move elements, computed ones look up a table."""

from __future__ import annotations

import numpy as np

from graphprune.frontends.onnx.axes import axis_of
from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
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


@lowers("ScatterND")
def scatter(node: Native, builder: Builder) -> None:
    """Constant indices that are a grid assign to a block: a movement of elements."""
    data, index, updates = (node.operand(i) for i in range(3))
    if node.attrs.get("reduction", "none") != "none":
        raise UnsupportedForm("it adds to what is there")
    shape, grid = builder.shape(data), builder.needed(index)
    depth = grid.shape[-1]
    if grid.ndim != depth + 1 or not grid.size:
        raise UnsupportedForm("its indices are no block")
    sizes = np.array(shape[:depth])
    grid = np.where(grid < 0, grid + sizes, grid)
    starts = grid.reshape(-1, depth)[0]
    if not np.array_equal(grid, np.moveaxis(np.indices(grid.shape[:-1]), 0, -1) + starts):
        raise UnsupportedForm("its indices are no block")
    whole = (*starts.tolist(), *(0 for _ in shape[depth:]))
    builder.emit("scatter", [data, updates], list(node.proto.output), starts=whole)
