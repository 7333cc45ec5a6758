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
            elif node.target is _ATTENTION:
                _four_axes(node)
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


def _four_axes(attention: Any) -> None:
    """Give an attention the four axes that the exporter takes, and its result those it had."""
    value = attention.meta["val"]
    mask = len(attention.args) > 3 or attention.kwargs.get("attn_mask") is not None
    if value.ndim == _RANK - 1:
        # Masks broadcast from the right, so that they fit as they are.
        _around(attention, (_ATEN.unsqueeze.default, 0), (_ATEN.squeeze.dim, 0))
    elif value.ndim > _RANK and not mask and all(isinstance(n, int) for n in value.shape[1:]):
        merged = (_ATEN.flatten.using_ints, 0, value.ndim - _RANK)
        _around(attention, merged, (_ATEN.reshape.default, [-1, *value.shape[1:]]))


def _around(attention: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    """Call an operator on queries, keys and values, and another on the result."""
    graph, users, value = attention.graph, list(attention.users), attention.meta["val"]
    operands = []
    for operand in attention.args[:3]:
        with graph.inserting_before(attention):
            operands.append(graph.call_function(before[0], (operand, *before[1:])))
        operands[-1].meta["val"] = before[0](operand.meta["val"], *before[1:])
    attention.args = (*operands, *attention.args[3:])
    attention.meta["val"] = before[0](value, *before[1:])
    with graph.inserting_after(attention):
        result = graph.call_function(after[0], (attention, *after[1:]))
    result.meta["val"] = value
    for user in users:
        user.replace_input_with(attention, result)
