"""Recurrent cells."""

from __future__ import annotations

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native


@lowers("LSTM", "GRU", "RNN")
def recurrent(node: Native, builder: Builder) -> None:
    """The whole sequence, one node."""
    if len(builder.shape(node.operand(0))) != 3:
        raise UnsupportedForm("a sequence that is not of rank 3")
    builder.emit(
        node.op_type.lower(),
        list(node.proto.input),
        list(node.proto.output),
        layout=int(node.attrs.get("layout", 0)),
        hidden=int(node.attrs.get("hidden_size", builder.shape(node.operand(2))[2])),
    )
