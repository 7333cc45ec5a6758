"""Channel shuffles recognised: reshape–transpose–reshape becomes one permutation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from graphprune.ir import Attr, Graph, Node
from graphprune.ir.graph import Shape
from graphprune.passes.couple.views import blocks


def fuse_shuffles(graph: Graph) -> Graph:
    """Replace every chain that only permutes one axis by a ``shuffle`` node.

    A shuffle can then be narrowed to any width: its permutation is ranked again, instead of
    demanding that every row of the reshape loses equally many.
    """
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    readers.update(graph.outputs)
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    dropped: set[str] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        fused = _fuse(graph, node, makers, readers)
        nodes.append(fused or node)
        if fused is not None:
            middle = makers[node.inputs[0]]
            dropped |= {node.inputs[0], middle.inputs[0]}
    if not dropped:
        return graph
    kept = tuple(n for n in nodes if not any(o in dropped for o in n.outputs))
    values = {k: v for k, v in graph.values.items() if k not in dropped}
    return replace(graph, values=values, nodes=kept)


def _fuse(graph: Graph, last: Node, makers: dict[str, Node], readers: Counter[str]) -> Node | None:
    """The shuffle that a chain ending in this node is, or None."""
    if last.op != "reshape":
        return None
    middle = makers.get(last.inputs[0])
    if middle is None or middle.op != "transpose" or readers[last.inputs[0]] != 1:
        return None
    first = makers.get(middle.inputs[0])
    if first is None or first.op != "reshape" or readers[middle.inputs[0]] != 1:
        return None
    old = graph.values[first.inputs[0]].known_shape
    if old != graph.values[last.outputs[0]].known_shape:
        return None
    found = permutation(old, graph.values[first.outputs[0]].known_shape, middle.ints("perm"))
    if found is None:
        return None
    axis, perm = found
    origin = first.origin + middle.origin + last.origin
    attrs: dict[str, Attr] = {"axis": axis, "perm": perm}
    return Node("shuffle", first.inputs[:1], last.outputs, attrs, origin, last.label)


def permutation(
    old: Shape, middle: Shape, perm: tuple[int, ...]
) -> tuple[int, tuple[int, ...]] | None:
    """The axis that reshape–transpose–reshape-back permutes and how, or None.

    Args:
        old: Shape before and after.
        middle: Shape between the first reshape and the transposition.
        perm: The transposition.
    """
    split: tuple[range, range] | None = None
    for before, after in blocks(old, middle):
        if len(before) == len(after) == 1:
            continue
        wide = [j for j in after if middle[j] > 1]
        if len(before) != 1 or len(wide) < 2 or split is not None:
            return None
        split = (before, after)
    if split is None:
        return None
    before, after = split
    moved = list(perm[after.start : after.stop])
    fixed = all(perm[j] == j for j in range(len(middle)) if j not in after)
    if not fixed or sorted(moved) != list(after) or moved == list(after):
        return None
    extents = [middle[j] for j in after]
    index = np.arange(old[before[0]]).reshape(extents).transpose([j - after.start for j in moved])
    return before[0], tuple(int(i) for i in index.ravel())
