"""Cutting and multiplying parameters; one that several nodes read differently is cloned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import onnx

from graphprune.errors import UnsupportedModel
from graphprune.groups import Alive, Coupling, Layer
from graphprune.ir import Value
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.cuts import Cut, cuts, take, take_rows
from graphprune.passes.narrow.edit import Editor, Source
from graphprune.passes.narrow.scales import scale, scaled
from graphprune.passes.reconstruct import Patch
from graphprune.terms import Floats

# Operators that look at the shape or the type of an operand only.
_INDIFFERENT = {("Shape", 0), ("Size", 0), ("CastLike", 1), ("Identity", 0)}
Kind = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What becomes of one use of a tensor: what is taken, and what that is multiplied by."""

    cuts: tuple[Cut, ...]
    factors: Floats | None

    @property
    def key(self) -> Kind:
        """Equal for uses that want the same; empty where nothing changes."""
        taken = tuple(c.key for c in self.cuts)
        if self.factors is None:
            return taken
        return (*taken, self.factors.shape, self.factors.tobytes())


def cut(editor: Editor, coupling: Coupling, alive: Alive, patch: Patch | None = None) -> None:
    """Record what becomes of every parameter that loses something or is multiplied.

    Args:
        editor: Takes the edits.
        coupling: Of the original graph.
        alive: Whether each unit lives.
        patch: What weights are multiplied by.
    """
    uses: dict[str, list[Value]] = defaultdict(list)
    for value in coupling.graph.params:
        uses[value.source].append(value)
    reading = _Reading(editor, coupling)
    known: dict[Layer, Cut | None] = {}
    for source, values in uses.items():
        wanted = {}
        for value in values:
            taken = cuts(coupling, value.name, alive, known)
            wanted[value.name] = _Wanted(taken, scale(coupling, value.name, taken, patch))
        keys = {w.key for w in wanted.values()}
        if keys == {()} or source not in editor.lowered.tensors:
            continue  # untouched, or a filled tensor, whose shape operand says it all
        if len(keys) == 1 and not reading.otherwise(source):
            shape = coupling.shape(values[0].name, alive)
            _in_place(editor, source, wanted[values[0].name], shape)
        else:
            _clone(editor, coupling, alive, source, wanted, reading)


class _Reading:
    """Which operand of which native node every use of a parameter is.

    Args:
        editor: Knows the native nodes.
        coupling: Knows the uses.
    """

    def __init__(self, editor: Editor, coupling: Coupling) -> None:
        self._editor = editor
        sources = {v.name: v.source for v in coupling.graph.params}
        self._uses: dict[tuple[int, str], list[str]] = defaultdict(list)
        for node in coupling.graph.nodes:
            for index in node.origin[-1:]:
                for name in node.inputs:
                    if name in sources:
                        self._uses[index, sources[name]].append(name)
        self._places: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        aliases = editor.lowered.aliases
        for native in editor.lowered.natives:
            for position, name in enumerate(native.proto.input):
                indifferent = (native.op_type, position) in _INDIFFERENT
                if name in aliases or (name in editor.lowered.tensors and not indifferent):
                    self._places[aliases.get(name, name)][native.index].append(position)

    def otherwise(self, source: str) -> bool:
        """Whether something reads a tensor in a way that coupling did not see."""
        return any((index, source) not in self._uses for index in self._places[source])

    def places(self, source: str, use: str) -> Iterator[tuple[int, int]]:
        """Native node and operand of every place where a use stands.

        Raises:
            UnsupportedModel: A node reads a tensor several times, and it is not clear which is
                which.
        """
        for index, positions in self._places[source].items():
            uses = self._uses[index, source]
            if set(uses) == {use}:
                yield from ((index, position) for position in positions)
            elif len(uses) == len(positions):
                both = zip(uses, positions, strict=True)
                yield from ((index, position) for name, position in both if name == use)
            elif use in uses:
                raise UnsupportedModel(
                    f"tensor '{source}' cannot be narrowed",
                    where=self._editor.lowered.natives[index].title,
                    why="one operation reads it several times, each time to be cut otherwise",
                    fix=f"exclude it: --keep {source}",
                )


def _contents(editor: Editor, source: str, wanted: _Wanted) -> Source:
    """How to get the cut and multiplied tensor, whenever it is asked for."""
    lowered, taken, factors = editor.lowered, wanted.cuts, wanted.factors
    tensor = lowered.tensors[source]
    plain = taken and not any(c.rows for c in taken) and lowered.model.in_file(tensor)
    if plain:
        rows = partial(lowered.model.rows, tensor)
        return lambda: scaled(take_rows(rows, tensor.dims, taken), factors, own=True)
    # What is cut is a copy; what is not may be a mapped file.
    return lambda: scaled(take(lowered.model.read(tensor), taken), factors, own=bool(taken))


def _in_place(editor: Editor, source: str, wanted: _Wanted, shape: Shape) -> None:
    """All readers agree: the tensor keeps its name."""
    contents = _contents(editor, source, wanted)
    editor.resized[source] = shape
    if source in editor.lowered.model.tensors:
        editor.tensors[source] = contents
    else:
        editor.set_constant(source, contents())


def _clone(
    editor: Editor,
    coupling: Coupling,
    alive: Alive,
    source: str,
    wanted: dict[str, _Wanted],
    reading: _Reading,
) -> None:
    """Readers disagree: each kind of cut gets a tensor of its own."""
    editor.resized.pop(source, None)
    names: dict[Kind, str] = {(): source}
    for use, how in wanted.items():
        key = how.key
        if key not in names:
            names[key] = editor.unique(source)
            shape = coupling.shape(use, alive)
            kind = editor.lowered.tensors[source].data_type
            editor.initializers.append(
                onnx.TensorProto(name=names[key], data_type=kind, dims=shape)
            )
            editor.tensors[names[key]] = _contents(editor, source, how)
            editor.resized[names[key]] = shape
        for index, position in reading.places(source, use) if key else ():
            editor.operand(index, position, names[key])
    aliases = editor.lowered.aliases
    editor.orphans.update({source}, (name for name in aliases if aliases[name] == source))
