"""Programs spelled so that PyTorch's ONNX exporter can follow; they compute what they computed."""

from __future__ import annotations

from typing import Any

import torch

_ATEN = torch.ops.aten
_VIEWS = (_ATEN.view.default, _ATEN._unsafe_view.default, _ATEN.reshape.default)
_ORDERS = (_ATEN.transpose.int, _ATEN.permute.default)
_ATTENTION = _ATEN.scaled_dot_product_attention.default
_RANK = 4  # of what the exporter's attention takes: batch, heads, tokens, width


def respell(program: Any) -> None:
    """Change a program's calls in place.

    Args:
        program: An ExportedProgram of its own, which nothing else reads.
    """
    for part in program.graph_module.modules():
        if not isinstance(part, torch.fx.GraphModule):
            continue
        for node in list(part.graph.nodes):
            if node.target in _VIEWS and node.args[0].target in _ORDERS:
                _lay_out(node)
            elif node.target is _ATTENTION and len(node.args) == 3:
                _merge_batches(node)
        part.recompile()


def _lay_out(view: Any) -> None:
    """Lay a tensor out anew before it is reshaped in another order than it was made.

    Tracing found a view because strides allowed it; operators that the exporter decomposes, such
    as attention with a mask, leave other strides.
    """
    source = view.args[0]
    with view.graph.inserting_before(view):
        how = {"memory_format": torch.contiguous_format}
        copied = view.graph.call_function(_ATEN.clone.default, (source,), how)
    copied.meta = dict(source.meta)
    view.replace_input_with(source, copied)


def _merge_batches(attention: Any) -> None:
    """Make one batch of several leading axes, and several of it afterwards."""
    value = attention.meta["val"]
    extra = value.ndim - _RANK
    inner = list(value.shape[1:])
    masked = attention.kwargs.get("attn_mask") is not None
    if extra < 1 or masked or not all(isinstance(size, int) for size in inner):
        return
    graph, users = attention.graph, list(attention.users)
    with graph.inserting_before(attention):
        merged = [
            graph.call_function(_ATEN.flatten.using_ints, (operand, 0, extra))
            for operand in attention.args
        ]
    for one, operand in zip(merged, attention.args, strict=True):
        one.meta["val"] = operand.meta["val"].flatten(0, extra)
    attention.args = tuple(merged)
    attention.meta["val"] = value.flatten(0, extra)
    with graph.inserting_after(attention):
        parted = graph.call_function(_ATEN.reshape.default, (attention, [-1, *inner]))
    parted.meta["val"] = value
    for user in users:
        user.replace_input_with(attention, parted)
