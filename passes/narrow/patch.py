"""Setting operands of shape arithmetic without losing symbolic dimensions."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import InvalidModel, UnsupportedModel
from graphprune.frontends.onnx import Lowered, lower
from graphprune.frontends.onnx.native import Native
from graphprune.passes.narrow.edit import Editor
from graphprune.passes.narrow.pins import Pins, blend
from graphprune.passes.narrow.refold import Refold

# Operands that a respelling rule answers for; all others must keep their old contents.
_RULED = {
    "Reshape": (1,), "Slice": (1, 2, 3, 4), "Split": (1,), "Gather": (1,), "Expand": (1,),
    "Pad": (1, 3), "Resize": (3,), "ConstantOfShape": (0,), "Squeeze": (1,), "Unsqueeze": (1,),
}  # fmt: skip

# What may stand between a literal and the Concat that it is a piece of.
_PASSED = ("Unsqueeze", "Cast", "Identity", "Reshape")


class Patcher:
    """Replaces operands by constants, or patches single elements where the rest is dynamic.

    Args:
        editor: Takes the edits.
        folded: Shape arithmetic after narrowing.
        lowered: The original.
    """

    def __init__(self, editor: Editor, folded: Refold, lowered: Lowered) -> None:
        self._editor, self._folded, self._lowered = editor, folded, lowered
        self.pins = Pins(editor, folded, lowered)

    @cached_property
    def _other(self) -> Lowered | None:
        """The same model with other symbolic extents: what differs there is dynamic."""
        if not self._lowered.symbolic:
            return None
        inputs = self._lowered.model.proto.graph.input
        dims = {i.name: i.type.tensor_type.shape.dim for i in inputs}
        for factor, step in ((1, 32), (2, 0), (1, 0)):
            shapes = {}
            for name, shape in self._lowered.inputs.items():
                fixed = [d.dim_value > 0 for d in dims[name]] or [False] * len(shape)
                varied = [2 if n == 1 else n * factor + step for n in shape]
                both = zip(fixed, shape, varied, strict=True)
                shapes[name] = tuple(n if stays else other for stays, n, other in both)
            try:
                return lower(self._lowered.model, shapes)
            except InvalidModel:
                continue
        return None

    def dynamic(self, name: str) -> NDArray[np.bool_]:
        """Which elements of a folded value depend on symbolic dimensions."""
        here = np.asarray(self._lowered.known[name])
        if name not in self.pins.computed:
            return np.zeros(here.shape, np.bool_)
        there = self._other.known.get(name) if self._other is not None else None
        if there is None or np.shape(there) != here.shape:
            return np.ones(here.shape, np.bool_)
        return np.asarray(here != there)

    def set(self, native: Native, position: int, wanted: NDArray[Any]) -> None:
        """Make an operand hold ``wanted``; dynamic elements that are right stay dynamic.

        Raises:
            UnsupportedModel: An element is dynamic and wrong.
        """
        name = native.operand(position)
        if not name or name not in self._lowered.known:
            self._replace(native, position, wanted, name or native.title)
            return
        current = np.asarray(self._folded.now(name))
        if name not in self.pins.computed:
            self._replace(native, position, wanted.astype(current.dtype), name)
            return
        dynamic = self.dynamic(name)
        if current.shape != np.shape(wanted):
            if dynamic.any():
                raise _stuck(native)
            self._replace(native, position, wanted.astype(current.dtype), name)
            return
        wrong = np.asarray(current != wanted)
        literal = np.where(wrong, wanted, 0)
        stuck = wrong & dynamic & (wanted != -1)
        if stuck.any():
            free = native.op_type == "Reshape" and not (wanted == -1).any()
            if stuck.sum() > 1 or not free:
                raise _stuck(native)
            literal[stuck] = -1
        self._patch(native, position, name, wrong, literal.astype(current.dtype))

    def _replace(self, native: Native, position: int, wanted: NDArray[Any], base: str) -> None:
        name = native.operand(position)
        if name and not native.opened and self._editor.overwrite(name, wanted):
            return
        self._editor.operand(native.index, position, self._editor.constant(base, wanted))
        self._editor.orphans.add(name)

    def _patch(
        self,
        native: Native,
        position: int,
        name: str,
        wrong: NDArray[np.bool_],
        literal: NDArray[Any],
    ) -> None:
        """Overwrite single elements: where they are written down, else by ``Where``."""
        editor = self._editor
        if self._in_concat(name, wrong, literal):
            return
        place = editor.before.setdefault(native.index, [])
        editor.operand(native.index, position, blend(editor, name, wrong, literal, place))

    def _in_concat(self, name: str, wrong: NDArray[np.bool_], literal: NDArray[Any]) -> bool:
        """Change the literals among the pieces of a Concat; False where one is computed."""
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "Concat" or not self._editor.read_once(name):
            return False
        edits: list[tuple[str, NDArray[Any]]] = []
        offset = 0
        for piece in maker.proto.input:
            size = int(np.size(self._folded.now(piece)))
            here = slice(offset, offset + size)
            offset += size
            if not wrong[here].any():
                continue
            source = self._literal(piece)
            if source is None:
                return False
            before = self._lowered.known[source]
            after = np.where(wrong[here], literal[here], before.ravel())
            edits.append((source, after.reshape(before.shape).astype(before.dtype)))
        return all(self._editor.overwrite(source, array) for source, array in edits)

    def _literal(self, name: str) -> str | None:
        """The tensor a piece is written down in, if nothing else reads it on the way."""
        while self._editor.read_once(name):
            if name in self._lowered.tensors:
                return name if name in self._lowered.known else None
            maker = self._makers.get(name)
            if maker is None or maker.opened or maker.op_type not in _PASSED:
                return None
            name = maker.operand(0)
        return None

    @cached_property
    def _makers(self) -> dict[str, Native]:
        return {name: n for n in self._lowered.natives for name in n.proto.output if name}

    def restore(self, native: Native) -> None:
        """Numbers that only looked at a shape keep their contents: sqrt(d) stays what it was."""
        if any(name in self._lowered.known for name in native.proto.output):
            return
        ruled = _RULED.get(native.op_type, ())
        for position, name in enumerate(native.proto.input):
            if position not in ruled and self._folded.changed(name):
                place = self._editor.before.setdefault(native.index, [])
                self._editor.operand(native.index, position, self.pins.name(name, place))
                self._editor.orphans.add(name)


def _stuck(native: Native) -> UnsupportedModel:
    return UnsupportedModel(
        f"{native.op_type} cannot follow the plan",
        where=native.title,
        why="an extent that must change is computed from a symbolic dimension",
        fix="exclude its channels with --keep, or export with fixed dimensions",
    )
