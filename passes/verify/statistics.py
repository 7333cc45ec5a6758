"""Norms spelled out so that their statistics are taken over the survivors.

A narrowed layer norm divides by a mean and variance of the channels that are left. The masked
original has to do the same, or the comparison would show the approximation instead of mistakes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from graphprune.frontends.onnx import Lowered
from graphprune.frontends.onnx.native import Native
from graphprune.groups import Alive, Coupling
from graphprune.ir import Node
from graphprune.passes.narrow.edit import Editor

_FAMILIES = ("layer_norm", "instance_norm", "group_norm", "lrn")
_CENTRED = {
    "LayerNormalization", "InstanceNormalization", "BatchNormalization", "GroupNormalization",
}  # fmt: skip
_EMULATED = _CENTRED | {"RMSNormalization", "SimplifiedLayerNormalization"}


def emulated(lowered: Lowered, coupling: Coupling, alive: Alive) -> bool:
    """Whether every statistic the plan touches can be taken over survivors."""
    return all(
        lowered.natives[node.origin[-1]].op_type in _EMULATED
        for node in coupling.graph.nodes
        if touched(coupling, alive, node)
    )


def touched(coupling: Coupling, alive: Alive, node: Node) -> bool:
    """Whether a plan changes what a norm's statistics are taken over."""
    if node.op not in _FAMILIES:
        return False
    if node.op == "group_norm" and coupling.choices.get(node.outputs[0], 1) == 0:
        return False  # whole groups of channels come and go
    axes = _axes(coupling, node)
    layers = coupling.layers.get(node.inputs[0], ())
    return any(x.axis in axes and not alive[x.ids].all() for x in layers)


def _axes(coupling: Coupling, node: Node) -> tuple[int, ...]:
    """The axes of a norm's statistics."""
    if node.op == "layer_norm":
        return node.ints("axes")
    rank = len(coupling.graph.values[node.inputs[0]].known_shape)
    if node.op == "instance_norm":
        return tuple(range(2, rank))
    return tuple(range(1, rank))


def spell_out(editor: Editor, coupling: Coupling, alive: Alive, node: Node) -> None:
    """Replace a norm by the same norm over survivors.

    Args:
        editor: Of the masked original.
        coupling: Its groups.
        alive: Whether each unit lives.
        node: A norm for which :func:`touched` holds.
    """
    native = editor.lowered.natives[node.origin[-1]]
    if native.op_type not in _EMULATED:
        return
    value = coupling.graph.values[node.inputs[0]]
    living = np.ones((1,) * len(value.known_shape), np.bool_)
    axes = _axes(coupling, node)
    for layer in coupling.layers[value.name]:
        if layer.axis in axes:
            living = living & alive[layer.ids]
    if native.op_type == "BatchNormalization":
        axes = (0, *axes)
    extents = [n if i in axes else 1 for i, n in enumerate(value.known_shape)]
    living = np.broadcast_to(living, np.broadcast_shapes(living.shape, tuple(extents)))
    writer = _Writer(editor, native, value.dtype)
    x = native.proto.input[0]
    if node.op == "group_norm":
        groups = node.int("groups")
        shape = writer("Shape", x)
        wide = np.broadcast_to(living, (1, *value.known_shape[1:])).reshape(1, groups, -1)
        folded = writer("Reshape", x, writer.ints(0, groups, -1))
        result = writer("Reshape", _normalised(writer, native, folded, wide, (2,)), shape)
    else:
        result = _normalised(writer, native, x, living, axes)
    for operand, op in ((1, "Mul"), (2, "Add")):
        if native.operand(operand):
            vector = native.operand(operand)
            if node.op != "layer_norm":
                column = (-1,) + (1,) * (len(value.known_shape) - 2)
                vector = writer("Reshape", vector, writer.ints(*column))
            result = writer(op, result, vector)
    editor.nodes[native.index] = helper.make_node("Identity", [result], [native.proto.output[0]])


def _normalised(
    writer: _Writer, native: Native, x: str, living: NDArray[np.bool_], axes: tuple[int, ...]
) -> str:
    """(x − mean) / sqrt(variance + ε), both over what lives; RMS norms keep the mean."""
    mask = writer.real(living)
    count = writer.real(living.sum(axis=axes, keepdims=True))
    centred = x
    if native.op_type in _CENTRED:
        mean = writer("Div", writer.sum(writer("Mul", x, mask), axes), count)
        centred = writer("Sub", x, mean)
    kept = writer("Mul", centred, mask)
    variance = writer("Div", writer.sum(writer("Mul", kept, kept), axes), count)
    epsilon = writer.real(np.array(native.attrs.get("epsilon", 1e-5)))
    return writer("Div", kept, writer("Sqrt", writer("Add", variance, epsilon)))


class _Writer:
    """Writes small nodes before a native one."""

    def __init__(self, editor: Editor, native: Native, dtype: str) -> None:
        self._editor, self._index, self._dtype = editor, native.index, np.dtype(dtype)
        # From opset 13 on a sum takes its axes as an operand.
        self._operands = editor.lowered.model.opset("") >= 13

    def real(self, array: NDArray[Any]) -> str:
        """A constant of the norm's own type."""
        return self._editor.constant("masked", array.astype(self._dtype))

    def ints(self, *numbers: int) -> str:
        """A constant shape or list of axes."""
        return self._editor.constant("masked", np.array(numbers, np.int64))

    def __call__(self, op: str, *inputs: str, **attrs: Any) -> str:
        """Append a node; its result's name."""
        result = self._editor.unique("masked")
        node = helper.make_node(op, list(inputs), [result], name=result, **attrs)
        self._editor.before.setdefault(self._index, []).append(node)
        return result

    def sum(self, name: str, axes: tuple[int, ...]) -> str:
        """Sum over axes, which stay with extent 1."""
        if self._operands:
            return self("ReduceSum", name, self.ints(*axes), keepdims=1)
        return self("ReduceSum", name, axes=list(axes), keepdims=1)
