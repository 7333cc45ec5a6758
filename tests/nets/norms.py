"""Normalisations, reductions and everything that lies between two convolutions."""

from __future__ import annotations

import numpy as np

from tests.nets import blocks
from tests.nets.draft import Draft
from tests.nets.registry import net


def _between(m: Draft, channels: int = 8, size: int = 5) -> str:
    return m.conv(m.input("x", 2, 3, size, size), channels, 3)


def _channels_last(m: Draft, x: str) -> str:
    return m.transpose(x, 0, 2, 3, 1)


def _channels_first(m: Draft, x: str) -> str:
    return m.transpose(x, 0, 3, 1, 2)


@net
def batch_norm_spelled_out(m: Draft) -> None:
    x = _between(m)
    mean, var, scale, bias = (
        m.param(n, 1, 8, 1, 1, scale=0.2, shift=s)
        for n, s in (("mean", 0), ("var", 2), ("scale", 1), ("bias", 0))
    )
    y = m.op("Div", m.op("Sub", x, mean), m.op("Sqrt", m.op("Add", var, m.number(1e-5))))
    m.output(m.conv(m.op("Relu", m.op("Add", m.op("Mul", y, scale), bias)), 4))


@net
def instance_norm(m: Draft) -> None:
    x = _between(m)
    scale, bias = m.param("scale", 8, scale=1), m.param("bias", 8, scale=1)
    m.output(m.conv(m.op("Relu", m.op("InstanceNormalization", x, scale, bias)), 4))


@net
def group_norm_few(m: Draft) -> None:
    x = _between(m, 12)
    y = m.reshape(x, 2, 3, -1)
    ones, zeros = m.tensor("ones", np.ones(3)), m.tensor("zeros", np.zeros(3))
    y = m.reshape(m.op("InstanceNormalization", y, ones, zeros), 2, 12, 5, 5)
    scale, bias = m.param("scale", 12, 1, 1, scale=1), m.param("bias", 12, 1, 1, scale=1)
    m.output(m.conv(m.op("Relu", m.op("Add", m.op("Mul", y, scale), bias)), 4))


@net
def group_norm_many(m: Draft) -> None:
    x = _between(m, 12)
    scale, bias = m.param("scale", 12, scale=1), m.param("bias", 12, scale=1)
    m.output(m.conv(m.op("Relu", m.op("GroupNormalization", x, scale, bias, num_groups=6)), 4))


@net
def convnext(m: Draft) -> None:
    x = _between(m)
    y = _channels_last(m, m.conv(x, 8, 3, group=8))
    y = blocks.mlp(m, blocks.layer_norm(m, y), 16)
    gain = m.param("gain", 8, scale=1)
    x = m.op("Add", x, _channels_first(m, m.op("Mul", y, gain)))
    m.output(m.conv(x, 4))


@net
def layer_norm_spelled_out(m: Draft) -> None:
    x = _channels_last(m, _between(m))
    centred = m.op("Sub", x, m.op("ReduceMean", x, m.ints(-1)))
    var = m.op("ReduceMean", m.op("Pow", centred, m.number(2)), m.ints(-1))
    y = m.op("Div", centred, m.op("Sqrt", m.op("Add", var, m.number(1e-5))))
    y = m.op("Add", m.op("Mul", y, m.param("scale", 8)), m.param("bias", 8))
    m.output(m.linear(y, 4))


@net
def rms_norm(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 5, 3), 8)
    x = m.op("Add", x, blocks.gated(m, blocks.rms_norm(m, x), 6))
    m.output(m.linear(blocks.rms_norm(m, x), 4))


@net
def local_response_norm(m: Draft) -> None:
    m.output(m.conv(m.op("LRN", _between(m), size=3), 4))


@net
def channels_last_concat(m: Draft) -> None:
    x = m.input("x", 1, 3, 5, 5)
    a, b = (_channels_last(m, m.conv(x, c, 3)) for c in (6, 4))
    joined = m.op("Relu", m.op("Concat", a, b, axis=-1))
    m.output(m.conv(_channels_first(m, joined), 4))


@net
def squeeze_excite(m: Draft) -> None:
    x = blocks.squeeze_excite(m, m.op("Relu", _between(m)), 4)
    m.output(m.conv(x, 4))


@net
def spatial_attention(m: Draft) -> None:
    x = m.op("Relu", _between(m))
    mean = m.op("ReduceMean", x, m.ints(1))
    largest = m.op("ReduceMax", m.op("Relu", m.conv(x, 5)), m.ints(1))
    mask = m.op("Sigmoid", m.conv(m.op("Concat", mean, largest, axis=1), 1, 3))
    m.output(m.conv(m.op("Mul", x, mask), 4))


@net
def sums_over_channels(m: Draft) -> None:
    x = m.op("Sigmoid", _between(m))
    total = m.op("Sqrt", m.op("ReduceSum", m.op("Mul", x, x), m.ints(1), keepdims=0))
    size = m.op("ReduceL2", m.op("Sigmoid", m.conv(x, 6)), m.ints(1), keepdims=0)
    m.output(total, size)


@net
def softmax_over_channels(m: Draft) -> None:
    x = m.op("Softmax", m.op("Relu", _between(m)), axis=1)
    m.output(m.conv(m.op("Relu", m.conv(x, 6)), 4))


@net
def pixel_gains(m: Draft) -> None:
    x = m.op("PRelu", _between(m), m.param("slope", 8, 1, 1))
    y = m.op("Add", m.op("Mul", x, m.param("plane", 1, 8, 5, 5, scale=1)), m.number(0.5))
    one = m.op("Mul", y, m.param("single", 1, 1, 1, 1, scale=1))
    m.output(m.conv(m.op("Clip", one, m.number(-1), m.number(1)), 4))


@net
def chosen_by_mask(m: Draft) -> None:
    x = _between(m)
    mask = m.tensor("mask", m.rng.random((1, 8, 1, 1)) > 0.5)
    m.output(m.conv(m.op("Where", mask, x, m.op("Tanh", x)), 4))


@net
def blur_pool(m: Draft) -> None:
    x = m.op("Relu", _between(m, 6))
    kernel = np.tile(np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16.0, (6, 1, 1, 1))
    padded = m.op("Pad", x, m.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    y = m.op("Conv", padded, m.tensor("blur", kernel), strides=[2, 2], group=6)
    m.output(m.conv(y, 4))


@net
def shared_bias(m: Draft) -> None:
    x, shared = m.input("x", 1, 3, 5, 5), m.param("shared", 6)
    a = m.op("Relu", m.op("Conv", x, m.param("wa", 6, 3, 1, 1), shared))
    b = m.op("Relu", m.op("Conv", a, m.param("wb", 6, 6, 1, 1), shared))
    m.output(m.conv(b, 4))


@net
def shared_weight(m: Draft) -> None:
    x = m.op("Tanh", m.linear(m.input("x", 2, 3), 6))
    w = m.param("w", 6, 6)
    for _ in range(3):
        x = m.op("Tanh", m.op("MatMul", x, w))
    m.output(m.linear(x, 4))


@net
def glu(m: Draft) -> None:
    left, right = m.split(_between(m, 12), (6, 6))
    m.output(m.conv(m.op("Mul", left, m.op("Sigmoid", right)), 4))


@net
def global_context(m: Draft) -> None:
    x = m.op("Relu", _between(m))
    context = m.op("Relu", m.conv(m.op("GlobalAveragePool", x), 6))
    wide = m.op("Expand", context, m.ints(1, 1, 5, 5))
    tiled = m.op("Tile", context, m.ints(1, 1, 5, 5))
    m.output(m.conv(m.op("Relu", m.conv(m.op("Concat", x, wide, tiled, axis=1), 5)), 4))


@net
def tiled_channels(m: Draft) -> None:
    x = m.op("Tile", m.op("Relu", _between(m, 5)), m.ints(1, 2, 1, 1))
    m.output(m.conv(x, 4))


@net
def gathered_channels(m: Draft) -> None:
    x = m.op("Gather", m.op("Relu", _between(m, 6)), m.ints(5, 0, 3, 3, -4), axis=1)
    m.output(m.conv(x, 4))


@net
def sampled(m: Draft) -> None:
    x = m.op("Relu", _between(m))
    grid = m.tensor("grid", m.rng.uniform(-1, 1, (2, 4, 4, 2)))
    y = m.op("GridSample", x, grid)
    m.output(m.conv(m.op("Relu", m.conv(y, 6, 3)), 4))


@net
def two_outputs(m: Draft) -> None:
    x = m.op("Relu", _between(m))
    y = m.op("Relu", m.conv(x, 6))
    m.output(y, m.conv(m.op("Add", m.conv(x, 6), y), 4))
