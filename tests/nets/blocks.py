"""Blocks that map an image to an image, or a sequence to a sequence, whatever its width."""

from __future__ import annotations

import numpy as np

from tests.nets.draft import Draft


def batch_norm(m: Draft, x: str) -> str:
    """With statistics as exported."""
    c, base = m.channels(x), m.name("bn")
    moments = [
        m.param(f"{base}.scale", c, scale=0.3, shift=1),
        m.param(f"{base}.bias", c, scale=0.3),
        m.param(f"{base}.mean", c, scale=0.3),
        m.tensor(f"{base}.var", m.rng.uniform(0.5, 1.5, c)),
    ]
    return m.op("BatchNormalization", x, *moments)


def conv_bn(m: Draft, x: str, filters: int, kernel: int = 3, group: int = 1) -> str:
    """Convolution, batch norm, ReLU."""
    return m.op("Relu", batch_norm(m, m.conv(x, filters, kernel, bias=False, group=group)))


def residual(m: Draft, x: str, inner: int) -> str:
    """A basic block with the identity around it."""
    y = m.conv(conv_bn(m, x, inner), m.channels(x), 3)
    return m.op("Relu", m.op("Add", x, y))


def depthwise(m: Draft, x: str, expand: int, multiplier: int = 1) -> str:
    """An inverted bottleneck without its shortcut."""
    y = conv_bn(m, x, expand, 1)
    y = conv_bn(m, y, expand * multiplier, 3, group=expand)
    return m.conv(y, m.channels(x))


def squeeze_excite(m: Draft, x: str, inner: int) -> str:
    """Channels scaled by what their means say."""
    s = m.op("Relu", m.conv(m.op("GlobalAveragePool", x), inner))
    return m.op("Mul", x, m.op("Sigmoid", m.conv(s, m.channels(x))))


def channel_shuffle(m: Draft, x: str, groups: int) -> str:
    """Reshape, transpose, reshape."""
    n, c, h, w = m.shape(x)
    y = m.transpose(m.reshape(x, n, groups, c // groups, h, w), 0, 2, 1, 3, 4)
    return m.reshape(y, n, c, h, w)


def c2f(m: Draft, x: str, sizes: tuple[int, int], depth: int = 2) -> str:
    """Split, a chain of bottlenecks on the second piece, concat of everything."""
    parts = list(m.split(conv_bn(m, x, sum(sizes), 1), sizes))
    for _ in range(depth):
        parts.append(residual(m, parts[-1], sizes[1]))
    return conv_bn(m, m.op("Concat", *parts, axis=1), m.channels(x), 1)


def layer_norm(m: Draft, x: str) -> str:
    """Over the last axis."""
    base, c = m.name("ln"), m.shape(x)[-1]
    scale = m.param(f"{base}.scale", c, scale=0.3, shift=1)
    return m.op("LayerNormalization", x, scale, m.param(f"{base}.bias", c, scale=0.3))


def rms_norm(m: Draft, x: str) -> str:
    """As language models spell it."""
    scale = m.param(m.name("rms"), m.shape(x)[-1], scale=0.3, shift=1)
    mean = m.op("ReduceMean", m.op("Mul", x, x), m.ints(-1), keepdims=1)
    root = m.op("Sqrt", m.op("Add", mean, m.number(1e-5)))
    return m.op("Mul", m.op("Div", x, root), scale)


def mlp(m: Draft, x: str, hidden: int) -> str:
    """Two layers over the last axis."""
    return m.linear(m.op("Gelu", m.linear(x, hidden)), m.shape(x)[-1])


def gated(m: Draft, x: str, hidden: int) -> str:
    """A gated linear unit whose halves come from one layer."""
    value, gate = m.split(m.linear(x, 2 * hidden), (hidden, hidden), axis=2)
    return m.linear(m.op("Mul", value, m.op("Sigmoid", gate)), m.shape(x)[-1])


def heads(m: Draft, x: str, count: int) -> str:
    """(batch, time, features) to (batch, heads, time, width)."""
    n, t, c = m.shape(x)
    return m.transpose(m.reshape(x, n, t, count, c // count), 0, 2, 1, 3)


def merge(m: Draft, x: str) -> str:
    """The way back."""
    n, h, t, d = m.shape(x)
    return m.reshape(m.transpose(x, 0, 2, 1, 3), n, t, h * d)


def scores(m: Draft, q: str, k: str) -> str:
    """Scaled products of queries with keys, both by head."""
    products = m.op("MatMul", q, m.transpose(k, 0, 1, 3, 2))
    return m.op("Mul", products, m.number(float(1 / np.sqrt(m.shape(q)[-1]))))


def attend(m: Draft, q: str, k: str, v: str) -> str:
    """Plain attention of three (batch, heads, time, width) tensors."""
    return m.op("MatMul", m.op("Softmax", scores(m, q, k), axis=-1), v)


def attention(m: Draft, x: str, count: int, width: int) -> str:
    """Multi-head self-attention with separate projections."""
    q, k, v = (heads(m, m.linear(x, count * width), count) for _ in range(3))
    return m.linear(merge(m, attend(m, q, k, v)), m.shape(x)[-1])


def packed(m: Draft, x: str, count: int, width: int) -> str:
    """Multi-head self-attention whose three projections are one, as in vision transformers."""
    n, t, _ = m.shape(x)
    qkv = m.reshape(m.linear(x, 3 * count * width), n, t, 3, count, width)
    parts = m.ops(3, "Split", m.transpose(qkv, 2, 0, 3, 1, 4), axis=0, num_outputs=3)
    q, k, v = (m.op("Squeeze", p, m.ints(0)) for p in parts)
    return m.linear(merge(m, attend(m, q, k, v)), m.shape(x)[-1])
