"""Quantisation: scales and zero points of a tensor or along an axis."""

from __future__ import annotations

from graphprune.frontends.onnx.axes import axis_of
from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, dtype_name, lowers
from graphprune.frontends.onnx.native import Native


def _axis(node: Native, builder: Builder) -> int:
    """The quantised axis, or -1 for the whole tensor."""
    scale = builder.shape(node.operand(1))
    if len(scale) > 1:
        raise UnsupportedForm("blocked quantisation")
    if not scale or scale == (1,):
        return -1
    return axis_of(int(node.attrs.get("axis", 1)), len(builder.shape(node.operand(0))))


@lowers("QuantizeLinear", "com.microsoft::QuantizeLinear")
def quantize(node: Native, builder: Builder) -> None:
    """To integers."""
    dtype = builder.dtype(node.operand(2)) if node.operand(2) else "uint8"
    if node.attrs.get("output_dtype"):
        dtype = dtype_name(int(node.attrs["output_dtype"]))
    axis = _axis(node, builder)
    builder.emit(
        "quantize", list(node.proto.input), list(node.proto.output), dtype=dtype, axis=axis
    )


@lowers("DequantizeLinear", "com.microsoft::DequantizeLinear")
def dequantize(node: Native, builder: Builder) -> None:
    """Back to real numbers."""
    dtype = builder.dtype(node.operand(1))
    axis = _axis(node, builder)
    builder.emit(
        "dequantize", list(node.proto.input), list(node.proto.output), dtype=dtype, axis=axis
    )


@lowers("DynamicQuantizeLinear")
def dynamic(node: Native, builder: Builder) -> None:
    """The range is measured over the whole tensor, so narrowing would change it."""
    raise UnsupportedForm("the range is measured over the whole tensor")
