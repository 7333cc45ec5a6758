"""Attention, recurrence, embeddings and products of matrices."""

from __future__ import annotations

import numpy as np

from tests.nets import blocks
from tests.nets.draft import Draft
from tests.nets.registry import net


def _tokens(m: Draft, features: int = 8, time: int = 4) -> str:
    return m.linear(m.input("x", 2, time, 3), features)


def _head(m: Draft, x: str) -> None:
    m.output(m.linear(m.op("Tanh", x), 4))


@net
def gemm(m: Draft) -> None:
    x = m.op("Gemm", m.input("x", 3, 4), m.param("wa", 4, 8), m.param("ba", 8))
    x = m.op("Gemm", m.op("Relu", x), m.param("wb", 6, 8), m.param("bb", 1, 6), transB=1)
    y = m.op("Gemm", m.transpose(m.op("Relu", x), 1, 0), m.param("wc", 6, 5), transA=1)
    _head(m, y)


@net
def batched_products(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 2, 3, 5), 6))
    table = m.param("table", 2, 6, 7)
    _head(m, m.op("Relu", m.op("MatMul", x, table)))


@net
def einsum(m: Draft) -> None:
    x = m.op("Einsum", m.input("x", 2, 4, 3), m.param("wa", 3, 2, 5), equation="btc,chd->bthd")
    y = m.op("Einsum", m.op("Relu", x), m.param("wb", 6, 2, 5), equation="bthd,ohd->bto")
    _head(m, y)


@net
def einsum_ellipsis(m: Draft) -> None:
    x = m.op("Einsum", m.input("x", 2, 4, 3), m.param("wa", 3, 6), equation="...c,cd->...d")
    _head(m, m.op("Relu", x))


@net
def attention(m: Draft) -> None:
    x = _tokens(m)
    x = m.op("Add", x, blocks.attention(m, blocks.layer_norm(m, x), 3, 4))
    x = m.op("Add", x, blocks.mlp(m, blocks.layer_norm(m, x), 10))
    _head(m, blocks.layer_norm(m, x))


@net
def attention_packed(m: Draft) -> None:
    x = _tokens(m)
    _head(m, m.op("Add", x, blocks.packed(m, x, 3, 4)))


@net
def attention_split(m: Draft) -> None:
    x = _tokens(m)
    parts = m.split(m.linear(x, 36), (12, 12, 12), axis=-1)
    q, k, v = (blocks.heads(m, p, 3) for p in parts)
    y = m.linear(blocks.merge(m, blocks.attend(m, q, k, v)), 8)
    _head(m, m.op("Add", x, y))


@net
def attention_grouped_query(m: Draft) -> None:
    x = _tokens(m)
    q = blocks.heads(m, m.linear(x, 16), 4)
    k, v = (blocks.heads(m, m.linear(x, 8), 2) for _ in range(2))

    def repeat(y: str) -> str:
        wide = m.op("Expand", m.op("Unsqueeze", y, m.ints(2)), m.ints(2, 2, 2, 4, 4))
        return m.reshape(wide, 2, 4, 4, 4)

    y = blocks.merge(m, blocks.attend(m, q, repeat(k), repeat(v)))
    _head(m, m.op("Add", x, m.linear(y, 8)))


@net
def attention_rotary(m: Draft) -> None:
    x = _tokens(m)
    angles = np.arange(4)[:, None] / 10.0 ** np.arange(3)
    cos, sin = (
        m.tensor(n, np.tile(f(angles), (1, 2))) for n, f in (("cos", np.cos), ("sin", np.sin))
    )

    def rotate(y: str) -> str:
        half = m.op("Neg", m.slice(y, 3, 1 << 40, axis=3))
        turned = m.op("Concat", half, m.slice(y, 0, 3, axis=3), axis=-1)
        return m.op("Add", m.op("Mul", y, cos), m.op("Mul", turned, sin))

    q, k, v = (blocks.heads(m, m.linear(x, 18), 3) for _ in range(3))
    y = blocks.merge(m, blocks.attend(m, rotate(q), rotate(k), v))
    _head(m, m.op("Add", x, m.linear(y, 8)))


@net
def attention_with_head_scale(m: Draft) -> None:
    x = _tokens(m)
    q, k, v = (blocks.heads(m, m.linear(x, 12), 3) for _ in range(3))
    weights = m.op("Mul", blocks.scores(m, q, k), m.param("temperature", 3, 1, 1, scale=1))
    y = m.op("MatMul", m.op("Softmax", weights, axis=-1), v)
    _head(m, m.linear(blocks.merge(m, y), 8))


def _biased(m: Draft, x: str, bias: str, count: int) -> str:
    q, k, v = (blocks.heads(m, m.linear(x, 12), count) for _ in range(3))
    weights = m.op("Softmax", m.op("Add", blocks.scores(m, q, k), bias), axis=-1)
    return m.linear(blocks.merge(m, m.op("MatMul", weights, v)), m.shape(x)[-1])


@net
def attention_with_bias_table(m: Draft) -> None:
    x = _tokens(m)
    table = m.op("Gather", m.param("table", 7, 3, scale=1), m.ints(*m.rng.integers(0, 7, 16)))
    bias = m.transpose(m.reshape(table, 4, 4, 3), 2, 0, 1)
    _head(m, _biased(m, x, bias, 3))


@net
def window_attention(m: Draft) -> None:
    x = m.transpose(m.conv(m.input("x", 1, 3, 4, 4), 8), 0, 2, 3, 1)
    windows = m.transpose(m.reshape(x, 1, 2, 2, 2, 2, 8), 0, 1, 3, 2, 4, 5)
    bias = m.param("bias", 1, 3, 4, 4, scale=1)
    y = _biased(m, m.reshape(windows, 4, 4, 8), bias, 3)
    back = m.transpose(m.reshape(y, 1, 2, 2, 2, 2, 8), 0, 1, 3, 2, 4, 5)
    _head(m, m.op("Add", x, m.reshape(back, 1, 4, 4, 8)))


@net
def vision_transformer(m: Draft) -> None:
    patches = m.conv(m.input("x", 1, 3, 4, 4), 8, 2, strides=[2, 2], pads=[0, 0, 0, 0])
    x = m.transpose(m.op("Flatten", m.reshape(patches, 8, 4), axis=1), 1, 0)
    x = m.op("Concat", m.param("token", 1, 1, 8), m.op("Unsqueeze", x, m.ints(0)), axis=1)
    x = m.op("Add", x, m.param("positions", 1, 5, 8, scale=1))
    x = m.op("Add", x, blocks.packed(m, blocks.layer_norm(m, x), 2, 5))
    x = m.op("Gather", blocks.layer_norm(m, x), m.tensor("first", np.array(0)), axis=1)
    m.output(m.linear(x, 4))


@net
def token_mixing(m: Draft) -> None:
    x = _tokens(m)
    y = m.transpose(blocks.layer_norm(m, x), 0, 2, 1)
    x = m.op("Add", x, m.transpose(blocks.mlp(m, y, 6), 0, 2, 1))
    x = m.op("Add", x, blocks.mlp(m, blocks.layer_norm(m, x), 10))
    _head(m, x)


@net
def unknown_operator(m: Draft) -> None:
    x = m.op("Relu", _tokens(m))
    lengths = m.ints(2, 4)
    y = m.op("ReverseSequence", x, lengths, time_axis=1, batch_axis=0)
    _head(m, m.linear(y, 6))


@net
def glu_tokens(m: Draft) -> None:
    x = _tokens(m)
    _head(m, m.op("Add", x, blocks.gated(m, x, 6)))


@net
def embedding(m: Draft) -> None:
    ids = m.input("ids", 2, 4, dtype="int64")
    table = m.param("table", 9, 8, scale=1)
    x = m.op("Add", m.op("Gather", table, ids), m.param("positions", 4, 8, scale=1))
    x = m.op("Add", x, blocks.mlp(m, x, 10))
    m.output(m.op("MatMul", x, m.transpose(table, 1, 0)))


def _cell(m: Draft, kind: str, x: str, size: int, both: bool, states: bool) -> str:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    d, base = 2 if both else 1, m.name("cell")
    _, batch, features = m.shape(x)
    operands = [
        x,
        m.param(f"{base}.w", d, gates * size, features, scale=0.5),
        m.param(f"{base}.r", d, gates * size, size, scale=0.5),
        m.param(f"{base}.b", d, 2 * gates * size, scale=0.5),
    ]
    if states:
        count = 2 if kind == "LSTM" else 1
        operands += ["", *(m.param(f"{base}.s{i}", d, batch, size, scale=1) for i in range(count))]
    direction = "bidirectional" if both else "forward"
    y, *_ = m.ops(2, kind, *operands, hidden_size=size, direction=direction)
    _, _, _, width = m.shape(y)
    return m.reshape(m.transpose(y, 0, 2, 1, 3), -1, batch, d * width)


@net
def lstm(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 4, 2, 3), 6))
    x = _cell(m, "LSTM", x, 5, both=False, states=True)
    _head(m, _cell(m, "LSTM", x, 4, both=False, states=False))


@net
def lstm_both_ways(m: Draft) -> None:
    x = _cell(m, "LSTM", m.input("x", 4, 2, 3), 5, both=True, states=True)
    _head(m, _cell(m, "LSTM", x, 4, both=True, states=False))


@net
def gru(m: Draft) -> None:
    x = _cell(m, "GRU", m.input("x", 4, 2, 3), 5, both=False, states=False)
    _head(m, _cell(m, "GRU", x, 4, both=True, states=True))


@net
def rnn(m: Draft) -> None:
    _head(m, _cell(m, "RNN", m.input("x", 4, 2, 3), 6, both=False, states=True))
