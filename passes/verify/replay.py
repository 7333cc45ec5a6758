"""The proof without numbers: the narrowed graph run on the labels that were kept.

Every parameter of the narrowed graph gets the units it is said to hold. If at some operation two
different units meet, or one meets what may not be removed, the rewrite mixed channels up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling, Ids, Layer, Left
from graphprune.ir import Graph
from graphprune.labels import Labels
from graphprune.passes.couple.context import Context
from graphprune.passes.couple.interpret import interpret
from graphprune.passes.couple.shuffles import fuse_shuffles
from graphprune.passes.narrow.cuts import Cut, cuts, take


@dataclass(frozen=True)
class Replay:
    """The verdict of a replay.

    Attributes:
        ok: Whether the narrowed graph holds what the plan says.
        checked: Number of operations at which labels met.
        failures: What is wrong, in words.
    """

    ok: bool
    checked: int
    failures: tuple[str, ...] = ()


def replay(coupling: Coupling, alive: Left, narrowed: Graph) -> Replay:
    """Check a narrowed graph against the plan it was made by.

    Args:
        coupling: Of the original.
        alive: Whether each unit lives.
        narrowed: The graph of the narrowed model, lowered with the same input shapes. Its values
            are called like those of the original that they were made of.
    """
    graph = fuse_shuffles(narrowed)
    failures = _shapes(coupling, alive, graph)
    preset = {} if failures else _preset(coupling, alive, graph)
    failures = failures or _contents(graph, preset)
    if failures:
        return Replay(False, 0, tuple(failures[:8]))
    ctx = interpret(graph, coupling.choices, Labels(coupling.units), preset, coupling)
    classes = ctx.labels.solve()
    wrong = np.flatnonzero(classes[: coupling.units + 1] != np.arange(coupling.units + 1))
    failures = _meetings(ctx, classes, wrong) if wrong.size else []
    return Replay(not wrong.size, len(graph.nodes), tuple(failures[:8]))


def _shapes(coupling: Coupling, alive: Left, graph: Graph) -> list[str]:
    """Values whose shape is not what the plan says."""
    failures = []
    for node in graph.nodes:
        for name in node.outputs:
            before = coupling.graph.values.get(name)
            after = graph.values[name].shape if name else None
            if before is None or before.shape is None or after is None:
                continue
            wanted = coupling.shape(name, alive)
            if after != wanted:
                failures.append(f"'{name}' has shape {list(after)}, the plan says {list(wanted)}")
    for name in coupling.graph.outputs:
        if name not in graph.values and name not in graph.outputs:
            failures.append(f"output '{name}' is missing")
    return failures


def _preset(coupling: Coupling, alive: Left, graph: Graph) -> dict[str, tuple[Layer, ...]]:
    """The units every parameter of the narrowed graph holds, found by who reads it where."""
    origin: dict[tuple[str, str, int], str] = {}
    for node in coupling.graph.nodes:
        for position, name in enumerate(node.inputs):
            origin[_place(node.outputs), node.op, position] = name
    # What a weight is computed from may be one number now, and then it is a constant.
    params = {v.name for v in graph.values.values() if v.kind in ("param", "const")}
    preset: dict[str, tuple[Layer, ...]] = {}
    for node in graph.nodes:
        for position, name in enumerate(node.inputs):
            source = origin.get((_place(node.outputs), node.op, position))
            if name in params and name not in preset and source is not None:
                preset[name] = _restricted(coupling, alive, source)
    return preset | _by_source(coupling, alive, graph, preset)


def _by_source(
    coupling: Coupling, alive: Left, graph: Graph, preset: Mapping[str, tuple[Layer, ...]]
) -> dict[str, tuple[Layer, ...]]:
    """The units of parameters that are read elsewhere than before, by their native names."""
    named = {value.source: value.name for value in coupling.graph.params if value.source}
    read = {name for node in graph.nodes for name in node.inputs}
    return {
        value.name: _restricted(coupling, alive, named[value.source])
        for value in graph.params
        if value.name in read and value.name not in preset and value.source in named
    }


def _contents(graph: Graph, preset: Mapping[str, tuple[Layer, ...]]) -> list[str]:
    """Parameters of which nothing is known, or that have not the extents of their units.

    What only opaque operations read was frozen before, or was written for them to be what it was.
    """
    read = {name for node in graph.nodes if node.family != "opaque" for name in node.inputs}
    failures = [
        f"nothing says which channels '{value.name}' holds"
        for value in graph.params
        if value.name in read and value.name not in preset
    ]
    for name, layers in preset.items():
        shape = graph.values[name].known_shape
        if graph.values[name].kind != "param":
            continue  # indices are ranked again
        if any(not _fits(layer, shape) for layer in layers):
            failures.append(f"'{name}' has shape {list(shape)}, which is not the plan's")
    return failures


def _fits(layer: Layer, shape: tuple[int, ...]) -> bool:
    extents = layer.ids.shape
    return len(extents) == len(shape) and all(
        a in (1, b) for a, b in zip(extents, shape, strict=True)
    )


def _place(outputs: tuple[str, ...]) -> str:
    return next((name for name in outputs if name), "")


def _restricted(coupling: Coupling, alive: Left, name: str) -> tuple[Layer, ...]:
    """A parameter's layers after its cuts; axes without units count as frozen."""
    wanted = cuts(coupling, name, alive)
    layers = {x.axis: _cut_ids(x, wanted) for x in coupling.layers.get(name, ())}
    shape = coupling.shape(name, alive)
    for axis, size in enumerate(shape):
        if size > 1 and axis not in layers:
            extents = [1] * len(shape)
            extents[axis] = size
            layers[axis] = Layer(np.zeros(extents, np.int64), axis)
    return tuple(layers[axis] for axis in sorted(layers))


def _cut_ids(layer: Layer, wanted: tuple[Cut, ...]) -> Layer:
    ids: Ids = layer.ids
    for cut in wanted:
        if ids.shape[cut.axis] > 1:
            rows = tuple(r for r in cut.rows if ids.shape[r] > 1)
            if cut.rows and not rows:
                continue
            ids = take(ids, (cut,))
    return Layer(ids, layer.axis)


def _meetings(ctx: Context, classes: Ids, wrong: Ids) -> list[str]:
    """At which operations units met that differ."""
    bad = set(classes[wrong].tolist()) | set(wrong.tolist())
    failures = []
    for freeze in ctx.labels.freezes:
        if bad & set(freeze.ids.tolist()):
            failures.append(f"channels that may not be removed were: {freeze.why}")
    for equality in ctx.labels.equalities:
        left, right = classes[equality.left], classes[equality.right]
        if bad & set(left.tolist()) or bad & set(right.tolist()):
            node = ctx.graph.nodes[equality.node]
            failures.append(f"different channels meet at {node.op} '{node.title}'")
    return failures or ["different channels meet"]
