"""The masked original: dead channels are zero where they are read, others get their factors.

Zeroing what *produces* a channel is not the same: norms shift, sigmoid(0) is one half. So every
contraction reads its operand through a mask; where a mean or a layer norm runs over channels, the
statistic is taken over the survivors, as the narrowed network takes it. Where the narrowed
network's weights are multiplied, the mask holds the factor instead of 1: the weights themselves
are left alone, so that the two networks get their factors in different ways.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from graphprune.frontends.onnx import Lowered
from graphprune.frontends.onnx.native import Native
from graphprune.groups import Alive, Coupling, Layer, Mask
from graphprune.passes.narrow.edit import Editor, Narrowed
from graphprune.passes.reconstruct import Patch
from graphprune.passes.verify import statistics
from graphprune.terms import Floats

# Where integer operators keep the zero points of their first and second operand.
_ZERO_POINTS = {
    "QLinearConv": (2, 5), "QLinearMatMul": (2, 5), "com.microsoft::QGemm": (2, 5),
    "com.microsoft::QLinearConv": (2, 5), "ConvInteger": (2, 3), "MatMulInteger": (2, 3),
}  # fmt: skip


def masked(
    lowered: Lowered,
    coupling: Coupling,
    alive: Alive,
    *,
    survivors: bool = True,
    patch: Patch | None = None,
) -> Narrowed:
    """The original with every contracted operand masked.

    Args:
        lowered: The original.
        coupling: Of its graph.
        alive: Whether each unit lives.
        survivors: Whether means and norms run over the channels that live, as the narrowed
            network's do; if not, over all of them, as the original's.
        patch: What the narrowed network's weights are multiplied by.
    """
    editor = Editor(lowered)
    weights = alive.astype(np.float64) if patch is None else alive * patch.factors
    for mask in coupling.masks:
        if survivors or not mask.mean:
            _mask(editor, coupling, weights, mask)
    for node in coupling.graph.nodes:
        if survivors and statistics.touched(coupling, alive, node):
            statistics.spell_out(editor, coupling, alive, node)
    return editor.finish()


def _mask(editor: Editor, coupling: Coupling, weights: Floats, mask: Mask) -> None:
    """Let a contraction read an operand times the weight of each unit: 0 for dead ones."""
    node = coupling.graph.nodes[mask.node]
    value = coupling.graph.values[node.inputs[mask.operand]]
    layer = next((x for x in coupling.layers.get(value.name, ()) if x.axis == mask.axis), None)
    if layer is None or (weights[layer.ids] == 1).all():
        return
    native = editor.lowered.natives[node.origin[-1]]
    name = value.source or value.name
    spelled = native.operand(mask.operand)
    direct = editor.lowered.aliases.get(spelled, spelled) == name
    # A product over two channel axes, heads and their widths, masks one operand twice.
    source = editor.node(native.index).input[mask.operand] if direct else name
    result = editor.unique(name)
    zero = _zero_point(native, mask.operand)
    if zero is None:
        numbers = _numbers(layer, weights, mask.mean, value.dtype)
        masking = helper.make_node("Mul", [source, editor.constant(name, numbers)], [result])
    else:
        living = editor.constant(name, weights[layer.ids] != 0)  # integers have no factors
        zero = zero or editor.constant(name, np.zeros((), np.dtype(value.dtype)))
        masking = helper.make_node("Where", [living, source, zero], [result])
    editor.before.setdefault(native.index, []).append(masking)
    if direct:
        editor.operand(native.index, mask.operand, result)
    else:
        editor.rewire(native.index, name, result)


def _zero_point(native: Native, operand: int) -> str | None:
    """The operand that says which integer means zero; empty: plain 0; None for real numbers."""
    positions = _ZERO_POINTS.get(native.op_type)
    return None if positions is None else native.operand(positions[operand])


def _numbers(layer: Layer, weights: Floats, mean: bool, dtype: str) -> NDArray[Any]:
    """Weights of units; for a mean, scaled so that it divides by the survivors."""
    living = weights[layer.ids]
    factor = living.shape[layer.axis] / max(layer.extent(weights != 0), 1) if mean else 1.0
    return np.asarray(living * factor, dtype=_real(dtype))


def _real(dtype: str) -> np.dtype[Any]:
    return (
        np.dtype(helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16))
        if (dtype == "bfloat16")
        else np.dtype(dtype)
    )
