"""Scaled dot-product attention."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.repetition import gathered
from graphprune.frontends.torch.rules import UnsupportedForm, lowers


@lowers(
    "scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_attention_math",
)  # fmt: skip
def attention(call: Call, builder: Builder) -> list[str]:
    """On (..., tokens, width); leading axes broadcast.

    Without an explicit scale the operator divides by the root of the width it finds.
    """
    if any(call.is_read(i) for i in range(1, len(call.metas))):
        raise UnsupportedForm("more than the result is read")
    q, k, v = (call.tensor(name) for name in ("query", "key", "value"))
    if call.flag("enable_gqa"):
        k, v = (_repeated(builder, name, builder.shape(q)[-3]) for name in (k, v))
    ranks = [builder.rank(name) for name in (q, k, v)]
    lead = ascii_lowercase[: max(ranks) - 2]
    a, b, c = (lead[len(lead) - (rank - 2) :] for rank in ranks)
    scores = builder.emit("contract", [q, k], equation=f"{a}yk,{b}zk->{lead}yz")
    mask = call.tensor("attn_mask", "attn_bias")
    if mask:
        scores = builder.emit("pointwise.add", [scores, mask])
    axes = (builder.rank(scores) - 1,)
    weights = builder.emit("softmax", [scores], axes=axes)
    result = builder.emit("contract", [weights, v], equation=f"{lead}yz,{c}zv->{lead}yv")
    return [result] + [""] * (len(call.metas) - 1)


def _repeated(builder: Builder, name: str, heads: int) -> str:
    """Keys or values with every head as often as there are queries for it."""
    shape = builder.shape(name)
    if shape[-3] == heads:
        return name
    index = np.repeat(np.arange(shape[-3]), heads // shape[-3])
    return gathered(builder, name, index, len(shape) - 3)
