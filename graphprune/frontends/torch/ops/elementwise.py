"""Elementwise operators, and those that hand elements on unchanged."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import UnsupportedForm, lowers

# Elementwise, but not among those that PyTorch itself tags so in every overload and version.
_UNTAGGED = [
    "hardswish", "log_sigmoid", "where", "masked_fill", "__and__", "__or__", "__xor__",
    "__iand__", "__ior__", "floor_divide", "divide", "multiply", "subtract", "true_divide", "add",
    "sub", "mul", "div", "rsub", "special_expit", "arctan2", "isclose", "alpha_dropout",
    "feature_alpha_dropout", "dropout", "feature_dropout", "rrelu_with_noise", "fill", "zero",
    "copy", "bernoulli", "normal", "uniform", "exponential", "log_normal", "cauchy", "geometric",
    "random", "ones_like", "zeros_like", "full_like", "empty_like", "rand_like", "randn_like",
    "randint_like", "relu", "sigmoid", "tanh", "hardtanh", "clamp", "pow", "abs", "exp", "log",
    "sqrt", "neg", "maximum", "minimum", "lerp", "fake_quantize_per_tensor_affine",
    "greater", "greater_equal", "less", "less_equal",
    "not_equal", "logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or",
    "bitwise_not", "special_erf", "special_logit", "special_expm1", "absolute", "negative",
    "arccos", "arcsin", "arctan", "arccosh", "arcsinh", "arctanh", "fix", "xlogy",
    "special_xlogy", "special_log1p", "special_exp2", "special_round", "threshold", "real",
    "imag",
]  # fmt: skip


@lowers(*_UNTAGGED)
def elementwise(call: Call, builder: Builder) -> str:
    """All tensor operands broadcast; numbers play no part in coupling."""
    if len(call.metas) > 1:
        raise UnsupportedForm("more than one result")
    operands = call.every_tensor()
    if not operands:
        raise UnsupportedForm("no tensor operand")
    return builder.emit(f"pointwise.{call.op.strip('_')}", operands)


@lowers(
    "native_dropout", "fake_quantize_per_tensor_affine_cachemask", "rrelu_with_noise_functional"
)
def with_mask(call: Call, builder: Builder) -> list[str]:
    """An elementwise result, and which elements were treated how."""
    operands = call.every_tensor()
    return [builder.emit(f"pointwise.{member}", operands) for member in (call.op, "mask")]


@lowers(
    "contiguous", "clone", "alias", "detach", "lift", "lift_fresh", "lift_fresh_copy", "positive",
    "requires_grad", "resolve_conj", "resolve_neg", "pin_memory", "data", "view_of",
)  # fmt: skip
def same(call: Call, builder: Builder) -> str:
    """The same elements in the same places: the same value, so that chains stay visible."""
    return call.tensor("self", "input")


@lowers("to", "_to_copy", "type_as", "float", "half", "double", "long", "bool")
def cast(call: Call, builder: Builder) -> str:
    """Another element type, or only another device or memory layout."""
    x = call.tensor("self", "input")
    if builder.values[x].dtype == call.dtype():
        return x
    return builder.emit("pointwise.cast", [x])


@lowers("prelu", "_prelu_kernel")
def prelu(call: Call, builder: Builder) -> str:
    """One slope, or one a channel."""
    x, slope = call.tensor("self"), call.tensor("weight")
    rank, shape = builder.rank(x), builder.shape(slope)
    if len(shape) == 1 and rank > 1:
        slope = builder.emit("reshape", [slope], shape=(1, shape[0], *(1,) * (rank - 2)))
    return builder.emit("pointwise.prelu", [x, slope])


@lowers("glu")
def glu(call: Call, builder: Builder) -> str:
    """One half gates the other."""
    x = call.tensor("self")
    axis = call.axis(builder.rank(x))
    half = builder.shape(x)[axis] // 2
    halves = builder.emit_all("split", [x], 2, axis=axis, sizes=(half, half))
    return builder.emit("pointwise.glu", halves)
