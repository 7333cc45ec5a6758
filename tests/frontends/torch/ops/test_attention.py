"""Attention: heads of equally many channels, tokens that stay whole."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import (  # noqa: E402
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

L = torch.nn.Linear
X = tensor(1, 5, 4)


def test_it_is_spelled_out() -> None:
    def forward(s: Any, q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=s.m)

    operands = tensor(1, 2, 3, 6), tensor(1, 2, 5, 6), tensor(1, 2, 5, 8)
    traced = lowered(forward, *operands, m=torch.nn.Parameter(tensor(3, 5)))
    assert body(traced).replace("scaled_dot_product_attention", "sdpa") == lines("""
        "sdpa~1": [1,2,3,5] = contract(inputs_0, inputs_1) {equation="abyk,abzk->abyz"}
        "sdpa~2": [1,2,3,5] = pointwise.add("sdpa~1", m)
        "sdpa~3": [1,2,3,5] = softmax("sdpa~2") {axes=[3]}
        sdpa: [1,2,3,8] = contract("sdpa~3", inputs_2) {equation="abyz,abzv->abyv"}
    """)


def heads(x: Any, count: int) -> Any:
    return x.view(1, 5, count, -1).transpose(1, 2)


def test_heads_lose_equally_many() -> None:
    def forward(s: Any, x: Any) -> Any:
        q, k, v = heads(s.q(x), 2), heads(s.k(x), 2), heads(s.v(x), 2)
        y = F.scaled_dot_product_attention(q, k, v)
        return s.o(y.transpose(1, 2).reshape(1, 5, 16))

    parts = {"q": L(4, 16), "k": L(4, 16), "v": L(4, 16), "o": L(16, 2)}
    assert proven(forward, X, **parts) == lines("""
        g1[2x8] q.weight.0 q.bias.0 k.weight.0 k.bias.0
        g2[2x8] v.weight.0 v.bias.0 o.weight.1
    """)


def test_fewer_heads_of_keys_serve_more_of_queries() -> None:
    def forward(s: Any, x: Any) -> Any:
        q, k, v = heads(s.q(x), 4), heads(s.k(x), 2), heads(s.v(x), 2)
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True, is_causal=True)
        return s.o(y.transpose(1, 2).reshape(1, 5, 32))

    parts = {"q": L(4, 32), "k": L(4, 16), "v": L(4, 16), "o": L(32, 2)}
    assert proven(forward, X, **parts) == lines("""
        g1[2x8] q.weight.0 q.bias.0 k.weight.0 k.bias.0
        g2[2x8] v.weight.0 v.bias.0 o.weight.1
    """)


@pytest.mark.parametrize("need_weights", [True, False])
def test_packed_projections(need_weights: bool) -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.m(x, x, x, need_weights=need_weights)[0]

    attention = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    traced = lowered(forward, tensor(1, 5, 16), m=attention)
    assert opaque(traced) == {}
    assert proven(forward, tensor(1, 5, 16), m=attention) == (
        "g1[4x8] m.in_proj_weight.0 m.in_proj_bias.0 m.out_proj.weight.1"
    )


def test_a_whole_encoder_layer() -> None:
    layer = torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
    assert proven(lambda s, x: s.m(x), tensor(1, 5, 16), m=layer) == lines("""
        g1[4x8] m.self_attn.in_proj_weight.0 m.self_attn.in_proj_bias.0 m.self_attn.out_proj.weight.1
        g2[24] m.linear1.weight.0 m.linear1.bias.0 m.linear2.weight.1
    """)  # noqa: E501
