"""Networks composed at random from blocks."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from tests.nets import blocks
from tests.nets.draft import Draft

Block = Callable[[Draft, str, int], str]
"""Maps a value to one of the same rank; the number varies the block."""


def _dense(m: Draft, x: str, n: int) -> str:
    return m.op("Concat", x, blocks.conv_bn(m, x, 2 + n % 5), axis=1)


def _grouped(m: Draft, x: str, n: int) -> str:
    groups, per_group = 2 + n % 3, 2 + n % 4
    x = blocks.conv_bn(m, x, 12, 1)
    return blocks.conv_bn(m, x, groups * per_group, group=groups)


def _shuffled(m: Draft, x: str, n: int) -> str:
    groups = 2 + n % 2
    x = blocks.conv_bn(m, blocks.conv_bn(m, x, 12, 1), 12, 1, group=groups)
    return blocks.conv_bn(m, blocks.channel_shuffle(m, x, groups), 12, 3, group=12)


def _halves(m: Draft, x: str, n: int) -> str:
    left = 1 + n % (m.channels(x) - 1)
    a, b = m.split(x, (left, m.channels(x) - left))
    parts = (a, blocks.conv_bn(m, b, 6, 1)) if n % 2 else (blocks.residual(m, b, 5), a)
    y = m.op("Concat", *parts, axis=1)
    return blocks.channel_shuffle(m, y, 2) if m.channels(y) % 2 == 0 else y


def _gated(m: Draft, x: str, n: int) -> str:
    a, b = m.split(m.conv(x, 12), (6, 6))
    return m.op("Mul", a, m.op("Sigmoid", b))


def _up_and_down(m: Draft, x: str, n: int) -> str:
    group = 1 + n % 2
    x = m.conv(x, 8)
    up = m.op("ConvTranspose", x, m.param(m.name("up"), 8, 6, 2, 2), strides=[2, 2], group=group)
    return m.op("MaxPool", up, kernel_shape=[2, 2], strides=[2, 2])


def _pixels(m: Draft, x: str, n: int) -> str:
    y = m.op("DepthToSpace", m.conv(x, 16), blocksize=2, mode=("DCR", "CRD")[n % 2])
    return (
        m.op("SpaceToDepth", y, blocksize=2)
        if n % 3
        else m.op("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2])
    )


def _normed(m: Draft, x: str, n: int) -> str:
    c = m.channels(x)
    scale, bias = (m.param(m.name("norm"), c, scale=1) for _ in range(2))
    if n % 3 == 0:
        return m.op("InstanceNormalization", x, scale, bias)
    if n % 3 == 1 and c % 2 == 0:
        return m.op("GroupNormalization", x, scale, bias, num_groups=c // 2)
    last = blocks.layer_norm(m, m.transpose(x, 0, 2, 3, 1))
    return m.transpose(last, 0, 3, 1, 2)


def _padded(m: Draft, x: str, n: int) -> str:
    c = m.channels(x)
    wide = m.op("Pad", x, m.ints(0, n % 3, 0, 0, 0, 1 + n % 2, 0, 0))
    y = m.op("Add", wide, m.conv(x, m.channels(wide), 3))
    return m.slice(y, n % 2, c + n % 3)


def _tokens(m: Draft, x: str, n: int) -> str:
    b, c, h, w = m.shape(x)
    y = m.transpose(m.reshape(x, b, c, h * w), 0, 2, 1)
    y = TOKENS[n % len(TOKENS)](m, y, n // 2)
    return m.reshape(m.transpose(y, 0, 2, 1), b, m.shape(y)[-1], h, w)


IMAGES: tuple[Block, ...] = (
    lambda m, x, n: blocks.conv_bn(m, x, 3 + n),
    lambda m, x, n: blocks.residual(m, x, 3 + n),
    lambda m, x, n: blocks.depthwise(m, x, 4 + n, multiplier=1 + n % 2),
    lambda m, x, n: blocks.squeeze_excite(m, x, 2 + n % 3),
    lambda m, x, n: blocks.c2f(m, x, (2 + n % 3, 3 + n % 4), depth=1 + n % 2),
    _dense, _grouped, _shuffled, _halves, _gated, _up_and_down, _pixels, _normed, _padded, _tokens,
)  # fmt: skip


def _around(inner: Block) -> Block:
    return lambda m, x, n: m.op("Add", x, inner(m, blocks.layer_norm(m, x), n))


def _mixed(m: Draft, x: str, n: int) -> str:
    y = blocks.mlp(m, m.transpose(x, 0, 2, 1), 3 + n)
    return m.transpose(y, 0, 2, 1)


TOKENS: tuple[Block, ...] = (
    lambda m, x, n: m.op("Relu", m.linear(x, 4 + n)),
    lambda m, x, n: blocks.rms_norm(m, x),
    _around(lambda m, x, n: blocks.attention(m, x, 2 + n % 2, 2 + n % 4)),
    _around(lambda m, x, n: blocks.packed(m, x, 2 + n % 2, 2 + n % 4)),
    _around(lambda m, x, n: blocks.gated(m, x, 3 + n)),
    _around(lambda m, x, n: blocks.mlp(m, x, 3 + n)),
    _around(_mixed),
)


def _vector(m: Draft, x: str, n: int) -> str:
    flat = m.op("Flatten", x if n % 2 else m.op("GlobalAveragePool", x))
    return m.linear(m.op("Relu", m.linear(flat, 6)), 3)


def image_net(steps: list[tuple[int, int]], seed: int) -> onnx.ModelProto:
    """Blocks over an image; each step is the block's number and its variation."""
    m = Draft(seed)
    x = blocks.conv_bn(m, m.input("x", 1, 3, 4, 4), 6)
    for kind, n in steps:
        x = IMAGES[kind % len(IMAGES)](m, x, n)
    m.output(_vector(m, x, seed) if seed % 3 else m.conv(x, 3))
    return m.proto()


def token_net(steps: list[tuple[int, int]], seed: int) -> onnx.ModelProto:
    """Blocks over a sequence."""
    m = Draft(seed)
    x = m.linear(m.input("x", 2, 4, 3), 6)
    for kind, n in steps:
        x = TOKENS[kind % len(TOKENS)](m, x, n)
    m.output(m.linear(x, 3))
    return m.proto()
