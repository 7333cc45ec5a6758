"""Operators that compute on integers with scales and zero points beside them.

A scale of the whole tensor plays no part in coupling; one a channel has the channel's labels.
"""

from __future__ import annotations

from graphprune.frontends.onnx.axes import axis_of
from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native
from graphprune.frontends.onnx.ops.contraction import matmul_equation
from graphprune.frontends.onnx.ops.convolution import window_attrs


def _requantize(node: Native, builder: Builder, product: str, scale: int, axis: int) -> None:
    """Scale (and zero point, beside it) of the weight, along an axis of the result."""
    vectors = [n for n in (node.operand(scale), node.operand(scale + 1)) if n]
    wide = [n for n in vectors if builder.shape(n) not in ((), (1,))]
    dtype, result = builder.dtype(product), list(node.proto.output)
    if wide:
        builder.emit("quantize", [product, *wide], result, dtype=dtype, axis=axis)
    else:
        builder.emit("pointwise.requantize", [product], result, dtype=dtype)


@lowers("QLinearConv", "com.microsoft::QLinearConv")
def qlinear_conv(node: Native, builder: Builder) -> None:
    """(x, xs, xz, w, ws, wz, ys, yz[, b])."""
    if node.attrs.get("channels_last"):
        raise UnsupportedForm("channels last")
    operands = [n for n in (node.operand(0), node.operand(3), node.operand(8)) if n]
    product, dtype = builder.temporary(), builder.dtype(node.operand(7))
    attrs = window_attrs(node, builder, *operands[:2])
    builder.emit("conv", operands, [product], dtype=dtype, **attrs)
    _requantize(node, builder, product, 4, 1)


@lowers("QLinearMatMul")
def qlinear_matmul(node: Native, builder: Builder) -> None:
    """(a, as, az, b, bs, bz, ys, yz)."""
    if any(builder.shape(node.operand(i)) not in ((), (1,)) for i in (1, 2)):
        raise UnsupportedForm("one scale a row")
    a, b = node.operand(0), node.operand(3)
    equation = matmul_equation(len(builder.shape(a)), len(builder.shape(b)))
    product, dtype = builder.temporary(), builder.dtype(node.operand(7))
    builder.emit("contract", [a, b], [product], dtype=dtype, equation=equation)
    _requantize(node, builder, product, 4, len(builder.shape(product)) - 1)


@lowers("com.microsoft::QGemm")
def qgemm(node: Native, builder: Builder) -> None:
    """(a, as, az, b, bs, bz[, c, ys, yz])."""
    left = "ky" if node.attrs.get("transA") else "yk"
    right = "zk" if node.attrs.get("transB") else "kz"
    dtype = builder.dtype(node.operand(8)) if node.operand(8) else "float32"
    product = builder.emit(
        "contract",
        [node.operand(0), node.operand(3)],
        [builder.temporary()],
        dtype=dtype,
        equation=f"{left},{right}->yz",
    )
    if node.operand(6):
        product = builder.emit(
            "pointwise.add", [product, node.operand(6)], [builder.temporary()], dtype=dtype
        )
    _requantize(node, builder, product, 4, 1)


@lowers("com.microsoft::QLinearAdd", "com.microsoft::QLinearMul")
def qlinear_binary(node: Native, builder: Builder) -> None:
    """(a, as, az, b, bs, bz, cs, cz)."""
    operands = [node.operand(0), node.operand(3)]
    builder.emit(f"pointwise.{node.proto.op_type.lower()}", operands, list(node.proto.output))


@lowers("com.microsoft::QLinearSigmoid", "com.microsoft::QLinearLeakyRelu")
def qlinear_unary(node: Native, builder: Builder) -> None:
    """(x, xs, xz, ys, yz)."""
    member = f"pointwise.{node.proto.op_type.lower()}"
    builder.emit(member, [node.operand(0)], list(node.proto.output))


@lowers("com.microsoft::QLinearConcat")
def qlinear_concat(node: Native, builder: Builder) -> None:
    """(ys, yz, then x, xs, xz of every operand)."""
    operands = list(node.proto.input[2::3])
    axis = axis_of(int(node.attrs["axis"]), len(builder.shape(operands[0])))
    builder.emit("concat", operands, list(node.proto.output), axis=axis)


@lowers("com.microsoft::QLinearGlobalAveragePool")
def qlinear_global_pool(node: Native, builder: Builder) -> None:
    """(x, xs, xz, ys, yz)."""
    if node.attrs.get("channels_last"):
        raise UnsupportedForm("channels last")
    builder.emit("pool", [node.operand(0)], list(node.proto.output), everything=True)
