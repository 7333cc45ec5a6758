"""Scaled dot-product attention as one operator."""

from __future__ import annotations

import numpy as np

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native
from graphprune.ir import Value


@lowers("Attention")
def attention(node: Native, builder: Builder) -> None:
    """ONNX's Attention on (batch, heads, tokens, width); fewer key heads are repeated."""
    q, k, v, mask = (node.operand(i) for i in range(4))
    if len(builder.shape(q)) != 4:
        raise UnsupportedForm("heads packed into one axis")
    if any(node.operand(i) for i in (4, 5, 6)) or any(node.proto.output[1:]):
        raise UnsupportedForm("a cache of keys and values")
    k, v = (_repeated(builder, name, builder.shape(q)[1]) for name in (k, v))
    scores = builder.emit("contract", [q, k], [builder.temporary()], equation="abyk,abzk->abyz")
    if mask:
        scores = builder.emit("pointwise.add", [scores, mask], [builder.temporary()])
    weights = builder.emit("softmax", [scores], [builder.temporary()], axes=(3,))
    builder.emit("contract", [weights, v], list(node.proto.output), equation="abyz,abzv->abyv")


def _repeated(builder: Builder, name: str, heads: int) -> str:
    """Keys or values with every head as often as there are queries for it."""
    own = builder.shape(name)[1]
    if own == heads:
        return name
    index = builder.temporary()
    repeats = np.repeat(np.arange(own), heads // own)
    builder.values[index] = Value(index, repeats.shape, "int64", "const", repeats)
    return builder.emit("gather", [name, index], [builder.temporary()], axis=1)
