"""Operators in which every element depends on all along an axis."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import lowers


def _operand(call: Call, builder: Builder) -> tuple[str, tuple[int, ...]]:
    x = call.tensor("self", "input")
    return x, (call.axis(builder.rank(x)),) if builder.rank(x) else ()


@lowers("softmax", "log_softmax", "_softmax", "_log_softmax", "special_softmax",
        "special_log_softmax", "_safe_softmax", "softmin")  # fmt: skip
def softmax(call: Call, builder: Builder) -> str:
    """Shares of a sum."""
    x, axes = _operand(call, builder)
    return builder.emit("softmax", [x], axes=axes)


@lowers("cumsum", "cumprod", "logcumsumexp", "argsort", "msort", "renorm")
def scan(call: Call, builder: Builder) -> str:
    """Running sums, and orders."""
    x, axes = _operand(call, builder)
    return builder.emit("scan", [x], axes=axes)


@lowers("cummax", "cummin", "sort")
def scan_with_places(call: Call, builder: Builder) -> list[str]:
    """Running extrema or sorted elements, and where they were."""
    x, axes = _operand(call, builder)
    return [builder.emit("scan", [x], axes=axes) for _ in call.metas]


@lowers("topk")
def topk(call: Call, builder: Builder) -> list[str]:
    """The largest elements along an axis, and where they were."""
    x, axes = _operand(call, builder)
    found = []
    for i in range(len(call.metas)):
        name = builder.emit("scan", [x], axes=axes)
        if axes:
            count = call.shape(i)[axes[0]]
            name = builder.emit("slice", [name], axes=axes, starts=(0,), ends=(count,), steps=(1,))
        found.append(name)
    return found


@lowers("tril", "triu")
def triangle(call: Call, builder: Builder) -> str:
    """A triangle of the last two axes."""
    x = call.tensor("self")
    rank = builder.rank(x)
    return builder.emit("scan", [x], axes=(rank - 2, rank - 1))
