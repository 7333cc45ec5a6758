"""Numbers that were computed from a shape and must stay what they were, like sqrt(d).

Where no symbolic dimension has a part in them they are written down. Otherwise the arithmetic is
repeated from the shapes as they were: a Shape whose narrowed extents are put back.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import onnx
from onnx import helper

from graphprune.frontends.onnx import Lowered
from graphprune.frontends.onnx.native import Native, captured
from graphprune.passes.narrow.edit import Array, Editor
from graphprune.passes.narrow.refold import Refold


class Pins:
    """Old contents of folded values.

    Args:
        editor: Takes the edits.
        folded: Shape arithmetic after narrowing.
        lowered: The original.
    """

    def __init__(self, editor: Editor, folded: Refold, lowered: Lowered) -> None:
        self._editor, self._folded, self._lowered = editor, folded, lowered
        self._pinned: dict[str, str] = {}

    @cached_property
    def _makers(self) -> dict[str, Native]:
        return {name: n for n in self._lowered.natives for name in n.proto.output if name}

    @cached_property
    def computed(self) -> frozenset[str]:
        """Folded values that a shape has a part in, in a model that leaves a dimension open."""
        found: set[str] = set()
        for native in self._lowered.natives if self._lowered.symbolic else ():
            known = any(name in self._lowered.known for name in native.proto.output)
            seen = native.op_type in ("Shape", "Size") or found & set(native.proto.input)
            if known and seen:
                found.update(native.proto.output)
        return frozenset(found)

    def name(self, value: str, place: list[onnx.NodeProto]) -> str:
        """A value with the old contents of a folded one.

        Args:
            value: A folded value.
            place: Takes the nodes that compute it.
        """
        if not self._folded.changed(value):
            return value
        if value not in self._pinned:
            old = np.asarray(self._lowered.known[value])
            if value in self.computed:
                self._repeat(self._makers[value], place)
            else:
                self._pinned[value] = self._editor.constant(value, old)
        return self._pinned[value]

    def _repeat(self, maker: Native, place: list[onnx.NodeProto]) -> None:
        """The operation once more, on old contents."""
        clone = onnx.NodeProto()
        clone.CopyFrom(maker.proto)
        if maker.op_type == "Size":
            self._pinned[maker.proto.output[0]] = self._size(maker, place)
            return
        for i, name in enumerate(maker.proto.input):
            clone.input[i] = self.name(name, place)
        for i, name in enumerate(maker.proto.output):
            clone.output[i] = self._editor.unique(name) if name else ""
            self._pinned[name] = clone.output[i]
        clone.name = clone.output[0]
        place.append(clone)
        if maker.op_type == "Shape":
            name = maker.proto.output[0]
            old, new = self._lowered.known[name], self._folded.now(name)
            extents = np.asarray(old)
            wrong = np.asarray(extents != new)
            self._pinned[name] = blend(self._editor, clone.output[0], wrong, extents, place)

    def _size(self, maker: Native, place: list[onnx.NodeProto]) -> str:
        """A Size is the product of a shape, some of whose extents are put back."""
        x = maker.operand(0)
        shape, result = self._editor.unique(x), self._editor.unique(maker.proto.output[0])
        place.append(helper.make_node("Shape", [x], [shape], name=shape))
        old = np.array(self._lowered.graph.values[x].known_shape, np.int64)
        new = np.array(self._folded.shape(x), np.int64)
        whole = blend(self._editor, shape, old != new, old, place)
        place.append(helper.make_node("ReduceProd", [whole], [result], name=result, keepdims=0))
        return result

    def outputs(self) -> None:
        """Names that leave the graph, or that sub-graphs read, keep their old contents."""
        model = self._lowered.model
        fixed = {o.name for o in model.proto.graph.output}
        fixed |= captured(g for n in self._lowered.natives for g in model.subgraphs(n.proto))
        for value in sorted(name for name in fixed if self._folded.changed(name)):
            maker = self._makers[value]
            after = self._editor.after.setdefault(maker.index, [])
            self._editor.rename(maker.index, value)
            self._pinned = {}  # what was repeated so far may come later in the graph
            old = self.name(value, after)
            after.append(helper.make_node("Identity", [old], [value], name=value))


def blend(
    editor: Editor, name: str, wrong: Array, literal: Array, place: list[onnx.NodeProto]
) -> str:
    """A value some of whose elements are replaced by literals.

    Args:
        editor: Takes new constants.
        name: A value of integers.
        wrong: Which elements to replace.
        literal: What by; read where ``wrong``.
        place: Takes the nodes.
    """
    literal = np.where(wrong, literal, 0).astype(np.asarray(literal).dtype)
    result = editor.unique(name)
    if editor.opset >= 9:
        operands = [editor.constant(name, wrong), editor.constant(name, literal), name]
        place.append(helper.make_node("Where", operands, [result], name=result))
        return result
    kept = editor.unique(name)  # Where is younger than the model
    mask = editor.constant(name, (~wrong).astype(literal.dtype))
    place.append(helper.make_node("Mul", [name, mask], [kept], name=kept))
    operands = [kept, editor.constant(name, literal)]
    place.append(helper.make_node("Add", operands, [result], name=result))
    return result
