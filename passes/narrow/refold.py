"""Shape arithmetic evaluated again with the narrowed extents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.frontends.onnx import Lowered
from graphprune.frontends.onnx.fold import fold, of_shape
from graphprune.frontends.onnx.native import Native
from graphprune.ir.graph import Shape

Array = NDArray[Any]


class Refold:
    """What folded values come to once some tensors are narrower.

    Args:
        lowered: The original.
        shapes: New shapes of the values that change.
    """

    def __init__(self, lowered: Lowered, shapes: Mapping[str, Shape]) -> None:
        self._known = lowered.known
        self._values = lowered.graph.values
        self._shapes = shapes
        self._changed: dict[str, Array] = {}

    def now(self, name: str) -> Array:
        """Contents of a folded value after narrowing."""
        return self._changed.get(name, self._known[name])

    def shape(self, name: str) -> Shape:
        """A value's shape after narrowing."""
        return self._shapes.get(name, self._values[name].known_shape)

    def changed(self, name: str) -> bool:
        """Whether a folded value differs from what it was."""
        return name in self._changed

    def visit(self, node: Native) -> None:
        """Re-evaluate a folded node whose operands changed."""
        name = next(iter(node.proto.output), "")
        if name not in self._known:
            return
        if node.op_type in ("Shape", "Size"):
            shape = self._shapes.get(node.operand(0))
            if shape is not None:
                self._note(name, of_shape(node, shape))
            return
        if not any(n in self._changed for n in node.proto.input):
            return
        absent = np.zeros(0, np.int64)
        results = fold(node, [self.now(n) if n else absent for n in node.proto.input])
        for output, array in zip(node.proto.output, results or [], strict=False):
            self._note(output, array)

    def _note(self, name: str, array: Array) -> None:
        before = self._known.get(name)
        if before is None or before.shape != array.shape or not np.array_equal(before, array):
            self._changed[name] = np.asarray(array)
