"""Reductions over axes."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.elementwise import elementwise
from graphprune.frontends.torch.rules import Result, UnsupportedForm, lowers

_MEMBERS = {
    "sum": "sum", "nansum": "sum", "mean": "mean", "nanmean": "mean", "prod": "prod",
    "amax": "max", "amin": "min", "all": "all", "any": "any", "logsumexp": "logsumexp",
    "count_nonzero": "count", "var": "var", "std": "std", "argmax": "arg", "argmin": "arg",
    "special_logsumexp": "logsumexp",
}  # fmt: skip
_NORMS = {2.0: "l2", 1.0: "l1", float("inf"): "max", float("-inf"): "min"}


def reduced(call: Call, builder: Builder, member: str, dim: str = "dim") -> str:
    """A reduction over the axes an argument names; over all where it names none."""
    x = call.tensor("self")
    rank = builder.rank(x)
    keep = call.flag("keepdim")
    return builder.emit(f"reduce.{member}", [x], axes=call.axes(rank, dim), keepdims=keep)


@lowers(*_MEMBERS)
def reduce(call: Call, builder: Builder) -> str:
    """One result."""
    return reduced(call, builder, _MEMBERS[call.op])


@lowers("max", "min")
def extremum(call: Call, builder: Builder) -> Result:
    """Of all elements, along an axis with its place, or of two tensors."""
    if call.given("other"):
        return elementwise(call, builder)
    found = [reduced(call, builder, call.op)]
    return [*found, reduced(call, builder, "arg")] if len(call.metas) > 1 else found


@lowers("median", "nanmedian", "mode", "kthvalue", "aminmax")
def order_statistic(call: Call, builder: Builder) -> list[str]:
    """What stands at some place of the sorted elements, and where it was."""
    return [reduced(call, builder, "order") for _ in call.metas]


@lowers("var_mean", "std_mean")
def moments(call: Call, builder: Builder) -> list[str]:
    """Spread and mean."""
    return [reduced(call, builder, call.op[:3]), reduced(call, builder, "mean")]


@lowers("linalg_vector_norm", "norm", "frobenius_norm", "linalg_norm")
def norm(call: Call, builder: Builder) -> str:
    """A vector's norm; sums of squares and of magnitudes are known as such."""
    power = call.arguments.get("ord", call.arguments.get("p", 2))
    axes = call.ints("dim")
    if call.op == "linalg_norm" and (power is not None or len(axes) == 2):
        raise UnsupportedForm("the norm of a matrix")
    if isinstance(power, str) and power != "fro":
        raise UnsupportedForm("the norm of a matrix")
    order = 2.0 if power is None or power == "fro" else float(power)
    return reduced(call, builder, _NORMS.get(order, "norm"))


@lowers("cosine_similarity")
def cosine(call: Call, builder: Builder) -> str:
    """A product along an axis, over both norms."""
    left, right = call.tensor("x1"), call.tensor("x2")
    product = builder.emit("pointwise.mul", [left, right])
    axis = call.axis(builder.rank(product))
    ends = [builder.rank(product) - builder.rank(name) for name in (left, right)]
    total = builder.emit("reduce.sum", [product], axes=(axis,), keepdims=False)
    norms = [
        builder.emit("reduce.l2", [name], axes=(axis - end,), keepdims=False)
        for name, end in zip((left, right), ends, strict=True)
        if axis >= end
    ]
    return builder.emit("pointwise.div", [total, *norms])
