"""The masked original: dead channels are zero where they are read.

Zeroing what *produces* a channel is not the same: norms shift, sigmoid(0) is one half. So every
contraction reads its operand through a mask; where a mean or a layer norm runs over channels, the
statistic is taken over the survivors, as the narrowed network takes it.
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
from graphprune.ir import Node
from graphprune.passes.narrow.edit import Editor, Narrowed

# Operators whose statistics over the survivors the masked original can take.
_EMULATED = {"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}

# Where integer operators keep the zero points of their first and second operand.
_ZERO_POINTS = {
    "QLinearConv": (2, 5), "QLinearMatMul": (2, 5), "com.microsoft::QGemm": (2, 5),
    "com.microsoft::QLinearConv": (2, 5), "ConvInteger": (2, 3), "MatMulInteger": (2, 3),
}  # fmt: skip


def masked(lowered: Lowered, coupling: Coupling, alive: Alive) -> Narrowed:
    """The original with every contracted operand masked.

    Args:
        lowered: The original.
        coupling: Of its graph.
        alive: Whether each unit lives.
    """
    editor = Editor(lowered)
    for mask in coupling.masks:
        _mask(editor, coupling, alive, mask)
    for node in coupling.graph.nodes:
        if node.op == "layer_norm":
            _layer_norm(editor, coupling, alive, node)
    return editor.finish()


def emulated(lowered: Lowered, coupling: Coupling, alive: Alive) -> bool:
    """Whether every approximate statistic the plan touches can be taken over survivors."""
    for node in coupling.graph.nodes:
        if node.op not in ("layer_norm", "instance_norm", "group_norm", "lrn"):
            continue
        axes = _statistics(node)
        layers = coupling.layers.get(node.inputs[0], ())
        hit = [x for x in layers if x.axis in axes and not alive[x.ids].all()]
        whole = node.op == "group_norm" and coupling.choices.get(node.outputs[0], 1) == 0
        if hit and not whole and lowered.natives[node.origin[-1]].op_type not in _EMULATED:
            return False
    return True


def _statistics(node: Node) -> tuple[int, ...]:
    if node.op == "layer_norm":
        return node.ints("axes")
    return tuple(range(1 if node.op in ("group_norm", "lrn") else 2, 8))


def _mask(editor: Editor, coupling: Coupling, alive: Alive, mask: Mask) -> None:
    node = coupling.graph.nodes[mask.node]
    value = coupling.graph.values[node.inputs[mask.operand]]
    layer = next((x for x in coupling.layers.get(value.name, ()) if x.axis == mask.axis), None)
    if layer is None or alive[layer.ids].all():
        return
    native = editor.lowered.natives[node.origin[-1]]
    name = value.source or value.name
    direct = mask.operand < len(native.proto.input) and native.proto.input[mask.operand] == name
    # A product over two channel axes, heads and their widths, masks one operand twice.
    source = editor.node(native.index).input[mask.operand] if direct else name
    result = editor.unique(name)
    zero = _zero_point(native, mask.operand)
    if zero is None:
        numbers = _numbers(layer, alive, mask.mean, value.dtype)
        masking = helper.make_node("Mul", [source, editor.constant(name, numbers)], [result])
    else:
        living = editor.constant(name, alive[layer.ids])
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


def _numbers(layer: Layer, alive: Alive, mean: bool, dtype: str) -> NDArray[Any]:
    """Ones and zeros; for a mean, scaled so that it divides by the survivors."""
    living = alive[layer.ids]
    factor = living.shape[layer.axis] / max(layer.extent(alive), 1) if mean else 1.0
    return np.asarray(living * factor, dtype=_real(dtype))


def _real(dtype: str) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16)) if (
        dtype == "bfloat16"
    ) else np.dtype(dtype)


def _layer_norm(editor: Editor, coupling: Coupling, alive: Alive, node: Node) -> None:
    """A layer norm spelled out, its mean and variance over the survivors."""
    value = coupling.graph.values[node.inputs[0]]
    axes = node.ints("axes")
    layers = [x for x in coupling.layers.get(value.name, ()) if x.axis in axes]
    native = editor.lowered.natives[node.origin[-1]]
    if not any(not alive[x.ids].all() for x in layers) or native.op_type not in _EMULATED:
        return
    living = np.ones((1,) * len(value.known_shape), np.bool_)
    for layer in layers:
        living = living & alive[layer.ids]
    shape = [value.known_shape[i] if i in axes else 1 for i in range(len(value.known_shape))]
    per_row = np.broadcast_to(living, np.broadcast_shapes(living.shape, tuple(shape)))
    count = per_row.sum(axis=tuple(axes), keepdims=True)
    writer = _Writer(editor, native.index, value.dtype, axes)
    name = native.proto.input[0]
    mask = writer.constant(living.astype(np.dtype(value.dtype)))
    divisor = writer.constant(count.astype(np.dtype(value.dtype)))
    centred = name
    if native.op_type == "LayerNormalization":
        mean = writer("Div", writer.sum(writer("Mul", name, mask)), divisor)
        centred = writer("Sub", name, mean)
    kept = writer("Mul", centred, mask)
    variance = writer("Div", writer.sum(writer("Mul", kept, kept)), divisor)
    epsilon = float(native.attrs.get("epsilon", 1e-5))
    root = writer("Sqrt", writer("Add", variance, writer.constant(np.array(epsilon, value.dtype))))
    result = writer("Div", kept, root)
    for operand, op in ((1, "Mul"), (2, "Add")):
        if native.operand(operand):
            result = writer(op, result, native.operand(operand))
    node_proto = helper.make_node("Identity", [result], [native.proto.output[0]])
    editor.nodes[native.index] = node_proto


class _Writer:
    """Writes small nodes before a native one."""

    def __init__(self, editor: Editor, index: int, dtype: str, axes: tuple[int, ...]) -> None:
        self._editor, self._index, self._dtype = editor, index, dtype
        self._axes = editor.constant("axes", np.array(axes, np.int64))

    def constant(self, array: NDArray[Any]) -> str:
        return self._editor.constant("masked", array.astype(np.dtype(self._dtype)))

    def __call__(self, op: str, *inputs: str) -> str:
        result = self._editor.unique("masked")
        node = helper.make_node(op, list(inputs), [result], name=result)
        self._editor.before.setdefault(self._index, []).append(node)
        return result

    def sum(self, name: str) -> str:
        result = self._editor.unique("masked")
        node = helper.make_node("ReduceSum", [name, self._axes], [result], name=result, keepdims=1)
        self._editor.before.setdefault(self._index, []).append(node)
        return result
