"""Which groups cannot get channels that the original has not, and why."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from graphprune.groups import Coupling, Ids, Layer
from graphprune.ir import Node

# Operations that say of every channel where it goes: new ones have no place in that.
_ORDERED = ("gather", "lookup", "scatter", "shuffle")
_ROWS = "the channels lie in rows: heads, or the groups of a convolution or a shuffle"
_TABLE = "there is a table of constants along the channels"
_ORDER = "a {} says of every channel where it goes"
_HEADS = "activations are multiplied with one another, as the heads of attention"


def ungrowable(coupling: Coupling) -> dict[str, str]:
    """The groups that can only keep their width or shrink, each with the reason.

    Args:
        coupling: The network's groups.
    """
    owner = np.zeros(coupling.units + 1, np.int64)
    for number, group in enumerate(coupling, start=1):
        owner[group.units] = number
    found = {group.name: _ROWS for group in coupling if group.rows > 1}
    for ids, why in _obstacles(coupling):
        for number in np.unique(owner[ids]):
            if number:
                found.setdefault(coupling.groups[number - 1].name, why)
    return found


def _obstacles(coupling: Coupling) -> Iterator[tuple[Ids, str]]:
    """Units that cannot be joined by new ones, and why."""
    graph, computed = coupling.graph, _computed(coupling)
    for layers in coupling.layers.values():
        yield from ((layer.ids, _ROWS) for layer in layers if layer.rows)
    for value in graph.params:
        if value.const is not None or not value.dtype.startswith(("float", "bfloat", "complex")):
            yield from ((layer.ids, _TABLE) for layer in coupling.layers.get(value.name, ()))
    for node in graph.nodes:
        if node.family in _ORDERED or (node.op == "slice" and set(node.ints("steps")) != {1}):
            why = _ORDER.format(node.op)
            yield from ((layer.ids, why) for layer in _ordered(coupling, node))
        if node.family == "contract" and set(node.inputs[:2]) <= computed:
            for name in node.inputs[:2]:
                yield from ((layer.ids, _HEADS) for layer in coupling.layers.get(name, ()))


def _ordered(coupling: Coupling, node: Node) -> Iterator[Layer]:
    """The layers along the axes whose elements an operation names one by one."""
    axes: Container[int] | None = None
    if node.op == "slice":
        axes = node.ints("axes")
    elif "axis" in node.attrs:
        axes = (node.int("axis"),)
    for name in (node.inputs[0], *node.outputs):
        for layer in coupling.layers.get(name, ()):
            if axes is None or layer.axis in axes:
                yield layer


def _computed(coupling: Coupling) -> set[str]:
    """Values that depend on an input of the network: activations, not weights."""
    found = set(coupling.graph.inputs)
    for node in coupling.graph.nodes:
        if found & set(node.inputs):
            found.update(name for name in node.outputs if name)
    return found
