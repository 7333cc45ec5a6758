"""Which weights read the channels of a group, and whether they can be multiplied.

A channel whose readers all multiply it by weights of their own can be given a factor: the weights
are multiplied by it. Nothing of the kind holds where two activations are multiplied, where a
norm looks at several channels, within recurrent cells, or where the weights serve something else
as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling, Group, Ids, Mask
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.passes.score.readers import Reader, readers
from graphprune.terms import layer_along

_FLOATS = ("float16", "bfloat16", "float32", "float64")
# What only lays the same numbers out otherwise.
_MOVES = ("transpose", "reshape")

Place = tuple[str, int]  # a parameter value, and one of its axes


@dataclass(frozen=True)
class Reach:
    """The weights that read a group.

    Attributes:
        places: Parameter values, and the axes along which they read it.
        why: Why they cannot stand for all that reads the group; empty where they can.
    """

    places: tuple[Place, ...]
    why: str = ""


@dataclass(frozen=True, eq=False)
class _Site:
    """Something that sums over channels: by a weight, or for some reason not."""

    units: Ids
    node: int
    place: Place | None = None
    path: tuple[str, ...] = ()
    why: str = ""


def reach(coupling: Coupling) -> Mapping[str, Reach]:
    """The weights that read every group, by its name.

    Args:
        coupling: The groups.
    """
    sites = tuple(_sites(coupling))
    misused = _misused(coupling, sites)
    owner = np.full(coupling.units + 1, -1)
    for i, group in enumerate(coupling):
        owner[group.units] = i
    reading: list[list[_Site]] = [[] for _ in coupling.groups]
    for site in sites:
        for i in np.unique(owner[site.units]).tolist():
            if i >= 0:
                reading[i].append(site)
    return {
        group.name: _of(group, own, misused, coupling.units)
        for group, own in zip(coupling, reading, strict=True)
    }


def _of(group: Group, sites: Iterable[_Site], misused: Mapping[Place, str], units: int) -> Reach:
    """The weights that read one group."""
    if group.approximate:
        return Reach((), f"{group.approximate[0]} looks at several of its channels at once")
    read = np.zeros(units + 1, dtype=np.bool_)
    places: dict[Place, None] = {}
    for site in sites:
        why = site.why if site.place is None else misused.get(site.place, "")
        if site.place is None or why:
            return Reach((), why)
        read[site.units] = True
        places[site.place] = None
    if not read[group.units].all():
        return Reach((), "no weights multiply its channels")
    return Reach(tuple(places))


def _sites(coupling: Coupling) -> Iterator[_Site]:
    graph = coupling.graph
    plain = {(id(r.node), r.operand, r.axis): r for r in readers(coupling)}
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    for mask in coupling.masks:
        node = graph.nodes[mask.node]
        layer = layer_along(coupling, node.inputs[mask.operand], mask.axis)
        if layer is None:
            continue
        units = np.unique(layer.ids)
        reader = plain.get((id(node), mask.operand, mask.axis))
        if reader is None:
            yield _Site(units, mask.node, why=_unweighted(node, mask))
            continue
        path = _path(coupling, reader.weights, makers)
        place = _place(coupling, reader, path)
        if place is None:
            why = f"'{node.title}' does not multiply them by a parameter of floating point"
            yield _Site(units, mask.node, why=why)
        else:
            yield _Site(units, mask.node, place, path)


def _unweighted(node: Node, mask: Mask) -> str:
    verb = "averages" if mask.mean else "sums up" if node.family == "reduce" else "reads"
    return f"'{node.title}' ({node.op}) {verb} its channels without weights to multiply"


def _path(coupling: Coupling, name: str, makers: Mapping[str, Node]) -> tuple[str, ...]:
    """A value and what it was laid out from, back to a parameter; empty if that is not all."""
    found = [name]
    while coupling.graph.values[found[-1]].kind != "param":
        node = makers.get(found[-1])
        if node is None or node.family not in _MOVES or len(node.inputs) != 1:
            return ()
        found.append(node.inputs[0])
    return tuple(found)


def _place(coupling: Coupling, reader: Reader, path: tuple[str, ...]) -> Place | None:
    """The parameter that a reader multiplies channels by, and the axis that meets them."""
    if not path or coupling.graph.values[path[-1]].dtype not in _FLOATS:
        return None
    axis = _axis(reader)
    layer = layer_along(coupling, path[0], axis)
    if layer is None:
        return None
    if len(path) == 1:
        return path[0], axis
    units = np.unique(layer.ids[layer.ids > 0])
    same = [
        other.axis for other in coupling.layers.get(path[-1], ()) if np.isin(other.ids, units).any()
    ]
    return (path[-1], same[0]) if len(same) == 1 else None


def _axis(reader: Reader) -> int:
    """The axis of the weights that is summed over."""
    if reader.node.family != "contract":
        return 1 if reader.node.family == "conv" else 0
    words = letters(reader.node)
    return words[1 - reader.operand].index(words[reader.operand][reader.axis])


def _misused(coupling: Coupling, sites: Iterable[_Site]) -> Mapping[Place, str]:
    """Why parameters cannot be multiplied along an axis: something else reads them as well."""
    graph = coupling.graph
    consumers = _Consumers(node.inputs for node in graph.nodes)
    sources = Counter(value.source or value.name for value in graph.params)
    meant: dict[Place, list[_Site]] = defaultdict(list)
    for site in sites:
        if site.place is not None:
            meant[site.place].append(site)
    found = {}
    for place, own in meant.items():
        source = graph.values[place[0]].source or place[0]
        paths = {site.path for site in own}
        moved = (step for path in paths for step in path[1:])
        readers_of = sorted(site.node for site in own)
        alone = sources[source] == 1 and len(paths) == 1
        alone = alone and all(len(consumers.of(name)) == 1 for name in moved)
        if not alone or sorted(consumers.of(own[0].path[0])) != readers_of:
            found[place] = f"its reader '{source}' is shared, or read in another way too"
    return found


class _Consumers:
    """Which nodes read a value, once for every operand."""

    def __init__(self, inputs: Iterable[tuple[str, ...]]) -> None:
        self._found: dict[str, list[int]] = defaultdict(list)
        for i, names in enumerate(inputs):
            for name in names:
                self._found[name].append(i)

    def of(self, name: str) -> list[int]:
        return self._found.get(name, [])
