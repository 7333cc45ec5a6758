"""Convolutional networks."""

from __future__ import annotations

from tests.nets import blocks
from tests.nets.draft import Draft
from tests.nets.registry import net


@net
def chain_1d(m: Draft) -> None:
    x = m.conv(m.input("x", 2, 3, 12), 8, 3, strides=[2])
    m.output(m.conv(m.op("Relu", m.conv(m.op("Relu", x), 6, 3)), 4))


@net
def chain_2d(m: Draft) -> None:
    x = m.conv(m.input("x", 2, 3, 8, 8), 8, 3, dilations=[2, 2])
    m.output(m.conv(m.op("Sigmoid", m.conv(m.op("Sigmoid", x), 6, 3, bias=False)), 4))


@net
def chain_3d(m: Draft) -> None:
    x = m.conv(m.input("x", 1, 2, 4, 4, 4), 5, 3)
    m.output(m.conv(m.op("Relu", blocks.batch_norm(m, x)), 3, 3))


@net
def resnet(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 8)
    x = blocks.residual(m, blocks.residual(m, x, 6), 10)
    x = m.op("Flatten", m.op("GlobalAveragePool", x))
    m.output(m.op("Gemm", x, m.param("fc.w", 5, 8), m.param("fc.b", 5), transB=1))


@net
def zero_padded_shortcut(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 6)
    y = m.conv(blocks.conv_bn(m, x, 5), 10, 3, strides=[2, 2])
    pooled = m.op("AveragePool", x, kernel_shape=[1, 1], strides=[2, 2])
    short = m.op("Pad", pooled, m.ints(0, 2, 0, 0, 0, 2, 0, 0))
    m.output(m.conv(m.op("Relu", m.op("Add", short, y)), 4))


@net
def grouped_by_rows(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 16)
    m.output(m.conv(blocks.conv_bn(m, x, 24, group=2), 4))


@net
def grouped_by_groups(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 16)
    m.output(m.conv(blocks.conv_bn(m, x, 16, group=8), 4))


@net
def resnext(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 12)
    y = blocks.conv_bn(m, blocks.conv_bn(m, x, 16, 1), 16, group=4)
    m.output(m.conv(m.op("Add", x, m.conv(y, 12)), 4))


@net
def depthwise(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 8)
    m.output(m.conv(m.op("Add", x, blocks.depthwise(m, x, 12)), 4))


@net
def depthwise_multiplier(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 8)
    m.output(m.conv(blocks.depthwise(m, x, 6, multiplier=2), 4))


@net
def mobilenet(m: Draft) -> None:
    x = m.op("HardSwish", blocks.batch_norm(m, m.conv(m.input("x", 1, 3, 6, 6), 8, 3)))
    y = blocks.conv_bn(m, x, 12, 1)
    y = blocks.squeeze_excite(m, blocks.conv_bn(m, y, 12, group=12), 4)
    x = m.op("Add", x, m.conv(y, 8))
    x = m.op("ReduceMean", x, m.ints(2, 3), keepdims=0)
    m.output(m.linear(x, 5))


def _transposed(m: Draft, x: str, filters: int, group: int = 1) -> str:
    weight = m.param(m.name("up"), m.channels(x), filters // group, 2, 2)
    bias = m.param(m.name("up.b"), filters)
    return m.op("ConvTranspose", x, weight, bias, strides=[2, 2], group=group)


@net
def transposed(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 8))
    m.output(m.conv(m.op("Relu", _transposed(m, x, 6)), 4))


@net
def transposed_grouped(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 8))
    m.output(m.conv(m.op("Relu", _transposed(m, x, 12, group=4)), 4))


@net
def transposed_depthwise(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 8))
    m.output(m.conv(m.op("Relu", _transposed(m, x, 16, group=8)), 4))


@net
def unet(m: Draft) -> None:
    a = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 8)
    b = blocks.conv_bn(m, m.op("MaxPool", a, kernel_shape=[2, 2], strides=[2, 2]), 12)
    up = _transposed(m, b, 8)
    m.output(m.conv(blocks.conv_bn(m, m.op("Concat", a, up, axis=1), 8), 2))


@net
def densenet(m: Draft) -> None:
    parts = [m.conv(m.input("x", 1, 3, 6, 6), 8, 3)]
    for _ in range(3):
        joined = parts[0] if len(parts) == 1 else m.op("Concat", *parts, axis=1)
        y = m.conv(m.op("Relu", blocks.batch_norm(m, joined)), 10)
        parts.append(m.conv(m.op("Relu", blocks.batch_norm(m, y)), 4, 3))
    x = m.op("Relu", blocks.batch_norm(m, m.op("Concat", *parts, axis=1)))
    m.output(m.conv(x, 5))


@net
def concat_with_input(m: Draft) -> None:
    x = m.input("x", 1, 3, 6, 6)
    a, b = m.op("Relu", m.conv(x, 6, 3)), m.op("Relu", m.conv(x, 4, 3))
    m.output(m.conv(m.op("Relu", blocks.batch_norm(m, m.op("Concat", a, x, b, axis=1))), 5))


@net
def inception(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 8)
    pooled = m.op("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    mean = m.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    parts = (m.conv(x, 4), m.conv(m.conv(x, 5), 6, 3), m.conv(pooled, 3), mean)
    m.output(m.conv(m.op("Relu", m.op("Concat", *parts, axis=1)), 4))


@net
def c2f_even(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 8)
    m.output(m.conv(blocks.c2f(m, x, (6, 6)), 4))


@net
def c2f_uneven(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 8)
    m.output(m.conv(blocks.c2f(m, x, (3, 7)), 4))


@net
def slices(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 10)
    a, b = m.slice(x, 0, 4), m.slice(x, -3, 1 << 40)
    joined = m.op("Concat", m.conv(a, 5), m.conv(b, 3), axis=1)
    m.output(m.conv(m.op("Relu", joined), 4))


@net
def focus(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 5)
    rows = [m.slice(x, i, 6, axis=2, step=2) for i in (0, 1)]
    parts = [m.slice(r, i, 6, axis=3, step=2) for r in rows for i in (0, 1)]
    m.output(m.conv(m.op("Concat", *parts, axis=1), 4, 3))


@net
def shufflenet_v1(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 12)
    y = blocks.channel_shuffle(m, blocks.conv_bn(m, x, 12, 1, group=3), 3)
    y = blocks.conv_bn(m, blocks.conv_bn(m, y, 12, group=12), 12, 1, group=3)
    m.output(m.conv(m.op("Add", x, y), 4))


@net
def shufflenet_v2(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 1, 3, 6, 6), 12)
    for _ in range(2):
        left, right = m.split(x, (6, 6))
        right = blocks.conv_bn(m, blocks.conv_bn(m, right, 6, 1), 6, group=6)
        x = m.op("Concat", left, blocks.conv_bn(m, right, 6, 1), axis=1)
        x = blocks.channel_shuffle(m, x, 2)
    m.output(m.conv(x, 4))


@net
def depth_to_space(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 16, 3))
    y = m.op("Relu", m.conv(m.op("DepthToSpace", x, blocksize=2, mode="DCR"), 12))
    m.output(m.conv(m.op("DepthToSpace", y, blocksize=2, mode="CRD"), 3))


@net
def space_to_depth(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 6, 3))
    m.output(m.conv(m.op("SpaceToDepth", x, blocksize=2), 4))


@net
def pixel_shuffle(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 24, 3))
    y = m.transpose(m.reshape(x, 1, 6, 2, 2, 4, 4), 0, 1, 4, 2, 5, 3)
    m.output(m.conv(m.reshape(y, 1, 6, 8, 8), 4))


@net
def flatten_linear(m: Draft) -> None:
    x = blocks.conv_bn(m, m.input("x", 2, 3, 4, 4), 6)
    x = m.op("Relu", m.linear(m.op("Flatten", x), 10))
    m.output(m.linear(x, 4))


@net
def resized(m: Draft) -> None:
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 6, 3))
    up = m.op("Resize", x, "", "", m.ints(1, 6, 8, 8), mode="nearest")
    big = m.op("Resize", up, "", m.singles(1, 1, 0.5, 0.5), mode="linear")
    m.output(m.conv(m.op("Add", big, x), 4))
