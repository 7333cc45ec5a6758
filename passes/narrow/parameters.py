"""Cutting parameters; one that several nodes read differently is cloned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import onnx

from graphprune.groups import Alive, Coupling
from graphprune.ir import Value
from graphprune.passes.narrow.cuts import Cut, cuts, take
from graphprune.passes.narrow.edit import Editor, Source


def cut(editor: Editor, coupling: Coupling, alive: Alive) -> None:
    """Record the cut of every parameter that loses something."""
    uses: dict[str, list[Value]] = defaultdict(list)
    for value in coupling.graph.params:
        uses[value.source].append(value)
    readers: dict[str, set[int]] = defaultdict(set)
    for node in coupling.graph.nodes:
        for name in node.inputs:
            readers[name].update(node.origin)
    for source, values in uses.items():
        wanted = {v.name: cuts(coupling, v.name, alive) for v in values}
        if not any(wanted.values()) or source not in editor.lowered.tensors:
            continue  # untouched, or a filled tensor, whose shape operand says it all
        if len({_key(w) for w in wanted.values()}) == 1:
            shape = coupling.shape(values[0].name, alive)
            _in_place(editor, source, wanted[values[0].name], shape)
        else:
            _clone(editor, coupling, alive, source, wanted, readers)


def _key(wanted: Sequence[Cut]) -> tuple[object, ...]:
    return tuple(c.key for c in wanted)


def _contents(editor: Editor, source: str, wanted: tuple[Cut, ...]) -> Source:
    """How to get the cut tensor, whenever it is asked for."""
    lowered = editor.lowered
    return lambda: take(lowered.model.read(lowered.tensors[source]), wanted)


def _in_place(editor: Editor, source: str, wanted: tuple[Cut, ...], shape: tuple[int, ...]) -> None:
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
    wanted: dict[str, tuple[Cut, ...]],
    readers: dict[str, set[int]],
) -> None:
    """Readers disagree: each kind of cut gets a tensor of its own."""
    editor.resized.pop(source, None)
    names: dict[tuple[object, ...], str] = {(): source}
    for use, how in wanted.items():
        key = _key(how)
        if key not in names:
            names[key] = editor.unique(source)
            shape = coupling.shape(use, alive)
            kind = editor.lowered.tensors[source].data_type
            editor.initializers.append(
                onnx.TensorProto(name=names[key], data_type=kind, dims=shape)
            )
            editor.tensors[names[key]] = _contents(editor, source, how)
            editor.resized[names[key]] = shape
        for index in readers[use] if key else ():
            editor.rewire(index, source, names[key])
    aliases = editor.lowered.aliases
    editor.orphans.update({source}, (name for name in aliases if aliases[name] == source))
