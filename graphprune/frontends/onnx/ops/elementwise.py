"""Elementwise operators with NumPy broadcasting."""

from __future__ import annotations

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, dtype_name, lowers
from graphprune.frontends.onnx.native import Native

_OPERATORS = (
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
    "BitwiseXor Ceil Celu Clip Cos Cosh Div Elu Erf Exp Floor Gelu HardSigmoid HardSwish "
    "Identity LeakyRelu Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round "
    "Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh "
    "ThresholdedRelu Xor com.microsoft::Gelu com.microsoft::FastGelu com.microsoft::QuickGelu "
    "com.microsoft::BiasGelu"
)
_BOOLEAN = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsInf", "IsNaN")


def _member(node: Native) -> str:
    return "pointwise." + node.proto.op_type.lower()


@lowers(*_OPERATORS.split())
def same_type(node: Native, builder: Builder) -> None:
    """Result of the first operand's type."""
    if node.opset < 7 and len({builder.shape(n) for n in node.proto.input if n}) > 1:
        raise UnsupportedForm("broadcasting as before opset 7")
    builder.emit(_member(node), list(node.proto.input), [node.proto.output[0]])


@lowers(*_BOOLEAN)
def comparison(node: Native, builder: Builder) -> None:
    """Result of booleans."""
    builder.emit(_member(node), list(node.proto.input), [node.proto.output[0]], dtype="bool")


@lowers("Cast")
def cast(node: Native, builder: Builder) -> None:
    """Another type, same elements."""
    dtype = dtype_name(int(node.attrs["to"]))
    builder.emit("pointwise.cast", [node.operand(0)], list(node.proto.output), dtype=dtype)


@lowers("CastLike")
def cast_like(node: Native, builder: Builder) -> None:
    """The type of the second operand, whose contents play no part."""
    dtype = builder.dtype(node.operand(1))
    builder.emit("pointwise.cast", [node.operand(0)], list(node.proto.output), dtype=dtype)


@lowers("Where")
def where(node: Native, builder: Builder) -> None:
    """Result of the second operand's type."""
    dtype = builder.dtype(node.operand(1))
    builder.emit("pointwise.where", list(node.proto.input), list(node.proto.output), dtype=dtype)


@lowers("Dropout")
def dropout(node: Native, builder: Builder) -> None:
    """The identity at inference, with a mask of ones where that is asked for."""
    outputs = list(node.proto.output)
    builder.emit("pointwise.dropout", [node.operand(0)], outputs[:1])
    if any(builder.is_read(name) for name in outputs[1:]):
        builder.emit("pointwise.mask", [node.operand(0)], outputs[1:2], dtype="bool")
