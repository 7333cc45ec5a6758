"""Pools: windows over the spatial axes."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.convolution import spread, with_batch, without_batch
from graphprune.frontends.torch.rules import lowers


def _spatial(call: Call) -> int:
    """The number of spatial axes an operator's name ends with."""
    digits = [c for c in call.op if c.isdigit()]
    return int(digits[-1])


def _windows(call: Call, builder: Builder, count: int) -> list[str]:
    n = _spatial(call)
    x, added = with_batch(builder, call.tensor("self"), n)
    kernel = spread(call.ints("kernel_size"), n)
    results = builder.emit_all(
        "pool",
        [x],
        count,
        kernel=kernel,
        strides=spread(call.ints("stride"), n) if call.ints("stride") else kernel,
        dilations=spread(call.ints("dilation"), n),
        pads=spread(call.ints("padding"), n, 0) * 2,
        ceil=call.flag("ceil_mode"),
    )
    return [without_batch(builder, name, added) for name in results]


@lowers("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d")
def pool(call: Call, builder: Builder) -> str:
    """Fixed windows."""
    return _windows(call, builder, 1)[0]


@lowers("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def pool_with_places(call: Call, builder: Builder) -> list[str]:
    """The maxima and where in their channel they lie."""
    return _windows(call, builder, 2)


def _to_extents(builder: Builder, x: str, shape: tuple[int, ...]) -> str:
    """Windows as large as the extents wanted make them."""
    have, want = builder.shape(x)[2:], shape[2:]
    if all(n == 1 for n in want):
        return builder.emit("pool", [x], everything=True)
    if all(h % w == 0 for h, w in zip(have, want, strict=True)):
        size = tuple(h // w for h, w in zip(have, want, strict=True))
        return builder.emit("pool", [x], kernel=size, strides=size)
    # Overlapping windows of unlike sizes; channels are treated as by an interpolation.
    return builder.emit("resize", [x], shape=shape)


def _adaptive(call: Call, builder: Builder, results: int) -> list[str]:
    n = _spatial(call)
    x, added = with_batch(builder, call.tensor("self"), n)
    shape = (*builder.shape(x)[:2], *call.shape()[-n:])
    pooled = [_to_extents(builder, x, shape) for _ in range(results)]
    return [without_batch(builder, name, added) for name in pooled]


@lowers(
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
)  # fmt: skip
def adaptive(call: Call, builder: Builder) -> str:
    """Means over as many windows as asked for."""
    return _adaptive(call, builder, 1)[0]


@lowers(
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "fractional_max_pool2d", "fractional_max_pool3d",
)  # fmt: skip
def adaptive_max(call: Call, builder: Builder) -> list[str]:
    """Maxima, and where in their channel they lie."""
    return _adaptive(call, builder, 2)


@lowers("max_unpool2d", "max_unpool3d")
def unpool(call: Call, builder: Builder) -> str:
    """Every channel's elements put back to places within that channel."""
    placed = builder.emit("pointwise.unpool", [call.tensor("self"), call.tensor("indices")])
    return builder.emit("resize", [placed], shape=call.shape())
