"""Networks in which channels take unusual ways."""

from __future__ import annotations

import numpy as np

from tests.nets import blocks
from tests.nets.draft import Draft
from tests.nets.registry import net

END = 1 << 40


def _image(m: Draft, channels: int = 8, size: int = 4, batch: int = 1) -> str:
    return m.op("Relu", m.conv(m.input("x", batch, 3, size, size), channels, 3))


@net
def swapped_halves(m: Draft) -> None:
    left, right = m.split(_image(m), (3, 5))
    m.output(m.conv(m.op("Concat", right, left, axis=1), 4))


@net
def sums_of_pieces(m: Draft) -> None:
    left, right = m.split(_image(m), (3, 5))
    m.output(m.op("ReduceSum", left, m.ints(1)), m.op("ReduceSum", right, m.ints(1)))


@net
def rolled_channels(m: Draft) -> None:
    x = _image(m)
    y = m.op("Concat", m.slice(x, 2, END), m.slice(x, 0, 2), axis=1)
    m.output(m.conv(m.op("Add", m.conv(y, 6), m.conv(x, 6)), 4))


@net
def rolled_onto_itself(m: Draft) -> None:
    x = _image(m)
    y = m.op("Concat", m.slice(x, 2, END), m.slice(x, 0, 2), axis=1)
    m.output(m.conv(m.op("Add", x, y), 4))


@net
def flipped_channels(m: Draft) -> None:
    m.output(m.conv(m.slice(_image(m), -1, -END, step=-1), 4))


@net
def interleaved(m: Draft) -> None:
    x = _image(m)
    pair = [m.op("Unsqueeze", y, m.ints(2)) for y in (m.conv(x, 5), m.conv(x, 5))]
    y = m.reshape(m.op("Concat", *pair, axis=2), 1, 10, 4, 4)
    m.output(m.conv(m.op("Relu", y), 4))


@net
def linear_to_image(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 2, 5), 6 * 3 * 3))
    m.output(m.conv(m.op("Relu", m.reshape(x, 2, 6, 3, 3)), 4, 3))


@net
def flatten_channels_last(m: Draft) -> None:
    x = m.op("Flatten", m.transpose(_image(m, 5), 0, 2, 3, 1))
    m.output(m.linear(m.op("Tanh", m.linear(x, 6)), 4))


@net
def non_local(m: Draft) -> None:
    x = _image(m)
    q, k, v = (m.reshape(m.conv(x, 6), 1, 6, 16) for _ in range(3))
    weights = m.op("Softmax", m.op("MatMul", m.transpose(q, 0, 2, 1), k), axis=-1)
    y = m.op("MatMul", v, m.transpose(weights, 0, 2, 1))
    m.output(m.conv(m.op("Add", x, m.conv(m.reshape(y, 1, 6, 4, 4), 8)), 4))


@net
def channel_attention(m: Draft) -> None:
    x = _image(m)
    flat = m.reshape(x, 1, 8, 16)
    weights = m.op("Softmax", m.op("MatMul", flat, m.transpose(flat, 0, 2, 1)), axis=-1)
    y = m.reshape(m.op("MatMul", weights, flat), 1, 8, 4, 4)
    m.output(m.conv(m.op("Relu", m.conv(m.op("Add", x, y), 6)), 4))


@net
def covariance(m: Draft) -> None:
    flat = m.reshape(_image(m), 1, 8, 16)
    y = m.op("MatMul", flat, m.transpose(flat, 0, 2, 1))
    m.output(m.linear(m.op("Flatten", y), 4))


@net
def squeezed_by_1d(m: Draft) -> None:
    x = _image(m)
    s = m.reshape(m.op("GlobalAveragePool", x), 1, 1, 8)
    s = m.reshape(m.op("Sigmoid", m.conv(s, 1, 3, bias=False)), 1, 8, 1, 1)
    m.output(m.conv(m.op("Relu", m.conv(m.op("Mul", x, s), 6)), 4))


@net
def selective_kernel(m: Draft) -> None:
    x = _image(m)
    pair = [blocks.conv_bn(m, x, 8, k) for k in (1, 3)]
    s = m.op("Relu", m.conv(m.op("GlobalAveragePool", m.op("Add", *pair)), 4))
    gates = m.op("Softmax", m.reshape(m.conv(s, 16), 1, 2, 8, 1, 1), axis=1)
    stacked = m.op("Concat", *(m.op("Unsqueeze", y, m.ints(1)) for y in pair), axis=1)
    y = m.op("ReduceSum", m.op("Mul", stacked, gates), m.ints(1), keepdims=0)
    m.output(m.conv(y, 4))


@net
def depthwise_on_image(m: Draft) -> None:
    x = m.conv(m.input("x", 1, 3, 4, 4), 12, 3, group=3)
    m.output(m.conv(m.op("Relu", x), 4))


@net
def groups_of_groups(m: Draft) -> None:
    x = blocks.conv_bn(m, _image(m, 12), 12, 1, group=2)
    x = blocks.conv_bn(m, x, 12, 3, group=3)
    m.output(m.conv(x, 4))


@net
def grouped_after_concat(m: Draft) -> None:
    x = _image(m)
    joined = m.op("Concat", m.conv(x, 10), m.conv(x, 6), axis=1)
    m.output(m.conv(blocks.conv_bn(m, joined, 8, 1, group=2), 4))


@net
def weight_with_gain(m: Draft) -> None:
    x = _image(m)
    w = m.op("Mul", m.param("w", 6, 8, 1, 1), m.param("gain", 6, 1, 1, 1, scale=1))
    m.output(m.conv(m.op("Relu", m.op("Conv", x, w)), 4))


@net
def standardised_weight(m: Draft) -> None:
    x, w = _image(m), m.param("w", 6, 8, 1, 1)
    w = m.op("Sub", w, m.op("ReduceMean", w, m.ints(1, 2, 3)))
    m.output(m.conv(m.op("Relu", m.op("Conv", x, w)), 4))


@net
def transposed_weight(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 2, 3), 8))
    w = m.transpose(m.param("w", 6, 8), 1, 0)
    m.output(m.linear(m.op("Relu", m.op("MatMul", x, w)), 4))


@net
def reshaped_weight(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 2, 3), 8))
    w = m.reshape(m.param("w", 8, 2, 3), 8, 6)
    m.output(m.linear(m.op("Relu", m.op("MatMul", x, w)), 4))


@net
def computed_kernel(m: Draft) -> None:
    x = _image(m)
    w = m.linear(m.op("Flatten", m.op("GlobalAveragePool", x)), 48)
    m.output(m.conv(m.op("Relu", m.op("Conv", x, m.reshape(w, 6, 8, 1, 1))), 4))


@net
def siamese(m: Draft) -> None:
    w, v = m.param("w", 8, 3, 1, 1), m.param("v", 6, 8, 1, 1)
    pair = [m.input(n, 1, 3, 4, 4) for n in ("x", "z")]
    one, other = (m.op("Conv", m.op("Relu", m.op("Conv", x, w)), v) for x in pair)
    m.output(m.conv(m.op("Sub", one, other), 4))


@net
def patch_merging(m: Draft) -> None:
    x = m.transpose(_image(m), 0, 2, 3, 1)
    rows = [m.slice(x, i, END, axis=1, step=2) for i in (0, 1)]
    parts = [m.slice(r, i, END, axis=2, step=2) for i in (0, 1) for r in rows]
    x = blocks.layer_norm(m, m.op("Concat", *parts, axis=-1))
    m.output(m.linear(m.op("Gelu", m.linear(x, 10, bias=False)), 4))


@net
def multi_query(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    q = blocks.heads(m, m.linear(x, 12), 3)
    k, v = (blocks.heads(m, m.linear(x, 4), 1) for _ in range(2))
    m.output(m.linear(blocks.merge(m, blocks.attend(m, q, k, v)), 4))


@net
def learned_queries(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    q = m.linear(m.param("queries", 1, 5, 8, scale=1), 6)
    k, v = m.linear(x, 6), m.linear(x, 7)
    weights = m.op("Softmax", m.op("MatMul", q, m.transpose(k, 0, 2, 1)), axis=-1)
    m.output(m.linear(m.op("MatMul", weights, v), 4))


@net
def linear_attention(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    q, k, v = (blocks.heads(m, m.linear(x, 12), 3) for _ in range(3))
    q, k = m.op("Softplus", q), m.op("Softmax", k, axis=2)
    context = m.op("MatMul", m.transpose(k, 0, 1, 3, 2), v)
    m.output(m.linear(blocks.merge(m, m.op("MatMul", q, context)), 4))


@net
def rank_two_norm(m: Draft) -> None:
    x = m.op("Relu", blocks.batch_norm(m, m.linear(m.input("x", 3, 4), 8)))
    m.output(m.linear(m.op("Sum", x, m.linear(x, 8), m.param("b", 8)), 4))


@net
def norm_over_image(m: Draft) -> None:
    x = m.conv(m.input("x", 1, 3, 4, 4), 6, 3)
    scale, bias = (m.param(n, 6, 4, 4, scale=1) for n in ("scale", "bias"))
    m.output(m.conv(m.op("LayerNormalization", x, scale, bias, axis=1), 4))


@net
def half_precision(m: Draft) -> None:
    x = m.op("Cast", m.op("Dropout", _image(m)), to=10)
    m.output(m.conv(m.op("Cast", m.op("Relu", x), to=1), 4))


@net
def einsum_heads_and_widths(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    q, k, v = (
        m.op("Einsum", x, m.param(n, 8, 3, 4), equation="btc,chd->bhtd") for n in ("q", "k", "v")
    )
    y = blocks.attend(m, q, k, v)
    m.output(m.op("Einsum", y, m.param("o", 3, 4, 5), equation="bhtd,hdo->bto"))


@net
def twice_the_same(m: Draft) -> None:
    x = _image(m, 6)
    m.output(m.conv(m.op("Concat", x, m.op("Sigmoid", x), x, axis=1), 4))


@net
def piece_of_a_piece(m: Draft) -> None:
    a, b = m.split(_image(m, 12), (8, 4))
    c, d = m.split(a, (4, 4))
    m.output(m.conv(m.op("Concat", m.op("Mul", b, d), m.conv(c, 3), axis=1), 4))


@net
def grouped_from_split(m: Draft) -> None:
    a, b = m.split(_image(m, 16), (12, 4))
    y = blocks.conv_bn(m, a, 12, 1, group=3)
    m.output(m.conv(m.op("Concat", y, b, axis=1), 4))


@net
def mean_over_rows(m: Draft) -> None:
    x = blocks.heads(m, m.linear(m.input("x", 2, 4, 3), 12), 3)
    m.output(m.linear(m.op("Tanh", m.op("ReduceMean", x, m.ints(1), keepdims=0)), 4))


@net
def scalar_gate(m: Draft) -> None:
    x = _image(m)
    gate = m.op("Sigmoid", m.conv(x, 1))
    m.output(m.conv(m.op("Mul", x, gate), 4))


@net
def moments(m: Draft) -> None:
    x = _image(m)
    wide = m.op("Pad", m.reshape(x, 1, 8, 16), m.ints(0, 1, 0, 0, 2, 0))
    m.output(m.op("MatMul", m.param("mix", 1, 4, 11), wide))


@net
def unpacked_by_gather(m: Draft) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    qkv = m.transpose(m.reshape(m.linear(x, 36), 2, 4, 3, 3, 4), 2, 0, 3, 1, 4)
    q, k, v = (m.op("Gather", qkv, m.tensor(m.name("at"), np.array(i)), axis=0) for i in range(3))
    m.output(m.linear(blocks.merge(m, blocks.attend(m, q, k, v)), 4))
