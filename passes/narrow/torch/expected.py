"""What the plan says of every node of a traced module: new shapes, new literals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule, hints
from graphprune.groups import Coupling, Ids, Left
from graphprune.ir import Attr, Node
from graphprune.ir.graph import Shape
from graphprune.passes.couple.shuffles import permutation

Pairs = list[tuple[int, int]]


class Expected:
    """The narrowed graph as it has to be.

    Attributes:
        traced: The original.
        coupling: Its groups.
        alive: Whether each unit lives, or how many stand for it.
        nodes: Canonical nodes by the index of the FX node they were lowered from.
        shuffles: Fused channel shuffles by the index of their last FX node.
    """

    def __init__(self, traced: TracedModule, coupling: Coupling, alive: Left) -> None:
        self.traced, self.coupling, self.alive = traced, coupling, alive
        self.nodes: Mapping[int, list[Node]] = by_origin(traced)
        fused = [n for n in coupling.graph.nodes if n.op == "shuffle" and len(n.origin) == 3]
        self.shuffles = {node.origin[-1]: node for node in fused}
        self._order = {node: i for i, node in enumerate(traced.nodes)}

    def index(self, node: Any) -> int:
        """Where an FX node stands in the program."""
        return self._order[node]

    def shape(self, name: str) -> Shape | None:
        """The new shape of a value; None inside of a channel shuffle, where widths are free."""
        value = self.coupling.graph.values.get(name)
        if value is None or value.shape is None:
            return None
        return self.coupling.shape(name, self.alive)

    def old(self, name: str) -> Shape | None:
        """The shape of a value before."""
        return self.traced.graph.values[name].shape

    def of(self, node: Any) -> Shape | None:
        """The new shape of an FX node's tensor."""
        name = self.traced.values.get(node)
        return self.shape(name) if name is not None else None

    def counts(self, name: str, axis: int, stops: Sequence[int]) -> tuple[int, ...]:
        """How many indices below each stop survive; rows agree, or coupling would have tied them.

        Args:
            name: A value.
            axis: One of its axes.
            stops: Indices of it before.
        """
        layer = next((x for x in self.coupling.layers.get(name, ()) if x.axis == axis), None)
        if layer is None:
            return tuple(stops)
        line = np.concatenate([[0], np.cumsum(self.alive[layer.rectangle()[0]])])
        return tuple(int(line[stop]) for stop in stops)

    def living(self, name: str, axis: int) -> NDArray[np.bool_]:
        """Which indices of an axis survive, by the first row.

        Raises:
            UnsupportedModel: There are new ones between them.
        """
        line = self.amounts(name, axis)
        if line.max(initial=0) > 1:
            raise UnsupportedModel(
                "new channels have no place in an order that is written down",
                where=name,
                fix="let the layer keep its width",
            )
        return line.astype(np.bool_)

    def amounts(self, name: str, axis: int) -> Ids:
        """How many stand for each index of an axis, by the first row."""
        layer = next((x for x in self.coupling.layers.get(name, ()) if x.axis == axis), None)
        if layer is None:
            return np.ones(self.traced.graph.values[name].known_shape[axis], np.int64)
        return np.asarray(self.alive[layer.rectangle()[0]], np.int64)

    def attrs(self, node: Node) -> dict[str, Attr]:
        """Attributes of a canonical node as they have to be; shapes are looked at elsewhere."""
        found = {k: v for k, v in node.attrs.items() if k != "shape"}
        rule = _RULES.get(node.family)
        if rule is not None and node.inputs[0] in self.coupling.graph.values:
            found.update(rule(self, node))
        return found

    def permutation(self, node: Node) -> tuple[int, ...]:
        """For every survivor after a shuffle its place among the survivors before."""
        living = self.living(node.inputs[0], node.int("axis"))
        order = np.array(node.ints("perm"), np.int64)
        return tuple((np.cumsum(living) - 1)[order[living[order]]].tolist())

    def picked(self, node: Node) -> Ids | None:
        """Contents of a gather's indices; None where what was picked is not plain any more."""
        index = self.traced.graph.values[node.inputs[1]].const
        axis = node.int("axis")
        living = self.living(node.inputs[0], axis)
        if index is None or living.all():
            return index  # type: ignore[return-value]
        kept = index[living[index]] if index.ndim == 1 else index
        return np.asarray((np.cumsum(living) - 1)[kept]) if living[kept].all() else None

    def pairs(self, node: Any) -> Pairs:
        """Numbers an FX node mentions or meets, before and after: extents, and literals."""
        found: Pairs = []
        for other in [node, *node.users, *node.all_input_nodes]:
            if other in self.traced.values and (other is node or _related(node, other)):
                found += self.extents(self.traced.values[other])
        for canonical in self.nodes.get(self._order[node], ()):
            after = self.attrs(canonical)
            for key in ("starts", "ends", "sizes", "groups"):
                if key in canonical.attrs:
                    found += zip(_ints(canonical.attrs[key]), _ints(after[key]), strict=True)
            for name in (*canonical.inputs, *canonical.outputs):
                found += self.extents(name) if name else []
        return found

    def extents(self, name: str) -> Pairs:
        """The extents of a value, before and after."""
        old, new = self.old(name), self.shape(name)
        return [] if old is None or new is None else list(zip(old, new, strict=True))


def _related(node: Any, other: Any) -> bool:
    """Whether another node is an operand, or only picks one of several results."""
    return other in node.all_input_nodes or getattr(other.target, "__name__", "") == "getitem"


def _ints(attribute: Attr) -> tuple[int, ...]:
    items = attribute if isinstance(attribute, tuple) else (attribute,)
    return tuple(int(item) for item in items)


def by_origin(traced: TracedModule) -> Mapping[int, list[Node]]:
    """Canonical nodes by the index of the FX node they come from."""
    found: dict[int, list[Node]] = defaultdict(list)
    for node in traced.graph.nodes:
        for index in node.origin[-1:]:
            found[index].append(node)
    return found


def chain(traced: TracedModule, node: Node) -> tuple[int, tuple[int, ...]] | None:
    """The permutation that the FX nodes of a fused shuffle make in another trace of them.

    Args:
        traced: The other trace.
        node: The shuffle, of the original.
    """
    found = by_origin(traced)
    nodes = [n for index in node.origin for n in found.get(index, ())]
    if [n.op for n in nodes] != ["reshape", "transpose", "reshape"]:
        return None
    old = traced.graph.values[nodes[0].inputs[0]].known_shape
    middle = traced.graph.values[nodes[0].outputs[0]].known_shape
    return permutation(old, middle, nodes[1].ints("perm"))


def _slice(expected: Expected, node: Node) -> dict[str, Attr]:
    """Starts and ends count the survivors before them."""
    x = node.inputs[0]
    starts, ends = [], []
    for i, axis in enumerate(node.ints("axes")):
        bounds = (node.ints("starts")[i], node.ints("ends")[i])
        if node.ints("steps")[i] == 1:
            bounds = expected.counts(x, axis, bounds)  # type: ignore[assignment]
        starts.append(bounds[0])
        ends.append(bounds[1])
    return {"starts": tuple(starts), "ends": tuple(ends)}


def _split(expected: Expected, node: Node) -> dict[str, Attr]:
    stops = [0, *np.cumsum(node.ints("sizes")).tolist()]
    counted = expected.counts(node.inputs[0], node.int("axis"), stops)
    return {"sizes": tuple(np.diff(counted).tolist())}


def _conv(expected: Expected, node: Node) -> dict[str, Attr]:
    """As many groups as the channels need that are left; w is (out, in/groups, ...)."""
    # A transposed weight is (in, out/groups, ...): there the result's channels tell.
    whole = node.inputs[0] if node.op == "conv" else node.outputs[0]
    x, w = expected.shape(whole), expected.shape(node.inputs[1])
    return {} if x is None or w is None else {"groups": x[1] // w[1]}


def _group_norm(expected: Expected, node: Node) -> dict[str, Attr]:
    """Whole groups die, or the same offsets in every one."""
    groups = node.int("groups")
    lines = expected.amounts(node.inputs[0], 1).reshape(groups, -1)
    alike = (lines == lines[:1]).all()
    return {"groups": groups if alike else int(lines.max(axis=1).sum())}


def _shuffle(expected: Expected, node: Node) -> dict[str, Attr]:
    return {"perm": expected.permutation(node)}


_RULES = {
    "slice": _slice,
    "split": _split,
    "conv": _conv,
    "conv_transpose": _conv,
    "group_norm": _group_norm,
    "shuffle": _shuffle,
}


def tensors(node: Any) -> list[Any]:
    """What tracing found of an FX node's results."""
    meta = node.meta.get("val")
    found = meta if isinstance(meta, tuple | list) else [meta]
    return [t for t in found if hasattr(t, "shape")]


def extents(node: Any) -> list[Shape | None]:
    """The shapes of an FX node's results as traced."""
    return [hints.shape(t) for t in tensors(node)]
