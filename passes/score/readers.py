"""Who reads the channels that may be removed: convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log, prod

import numpy as np

from graphprune.groups import Coupling, Ids
from graphprune.ir import Graph, Node
from graphprune.ir.shapes import letters
from graphprune.terms import layer_along

DELTA = 1e-16
"""The probability of failure where the user gives none; that of the paper's authors."""

_LAYERS = ("conv", "conv_transpose", "contract")


@dataclass(frozen=True, eq=False)
class Reader:
    """A node that sums over channels.

    Depthwise convolutions, norms and pools only pass channels on and are none.

    Attributes:
        node: A ``conv``, ``conv_transpose`` or ``contract``.
        operand: Which of its operands holds the channels.
        axis: The axis of that operand that is summed over.
        ids: Unit ids of that operand's elements; they broadcast to its shape.
        taps: Elements of one channel that one result sums: ``k``.
        patches: Results an output channel has for one data point: ``P``.
    """

    node: Node
    operand: int
    axis: int
    ids: Ids
    taps: int
    patches: int

    @property
    def channels(self) -> str:
        """The value that holds the channels."""
        return self.node.inputs[self.operand]

    @property
    def weights(self) -> str:
        """The value that they are multiplied by."""
        return self.node.inputs[1 - self.operand]

    def log_events(self, delta: float) -> float:
        """The logarithm in the sample complexity, log(8 (P + 1) k / delta).

        Args:
            delta: Probability of failure.
        """
        return log(8 * (self.patches + 1) * self.taps) - log(delta)


def readers(coupling: Coupling) -> tuple[Reader, ...]:
    """The nodes that sum over units of any group, once for every axis they sum over.

    Args:
        coupling: The groups.
    """
    wanted = np.zeros(coupling.units + 1, dtype=np.bool_)
    for group in coupling:
        wanted[group.units] = True
    return tuple(r for r in _all(coupling) if wanted[r.ids].any() and _plain(r))


def data_points(coupling: Coupling, delta: float = DELTA) -> int:
    """How many data points sensitivities have to be the largest over.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    section 4: ``3 log(8 eta* eta / delta)`` with eta the number of scalars that all layers give
    for one data point and eta* that of the largest layer.

    Args:
        coupling: The network.
        delta: Probability of failure.
    """
    graph = coupling.graph
    sizes = [_scalars(graph, node) for node in graph.nodes if node.family in _LAYERS]
    sizes = [size for size in sizes if size] or [1]
    return ceil(3 * (log(8 * max(sizes) * sum(sizes)) - log(delta)))


def _all(coupling: Coupling) -> Iterator[Reader]:
    graph, known = coupling.graph, set()
    for mask in coupling.masks:
        node = graph.nodes[mask.node]
        key = (mask.node, mask.operand, mask.axis)
        shapes = [graph.values[name].shape for name in (*node.inputs[:2], node.outputs[0])]
        if node.family not in _LAYERS or key in known or None in shapes:
            continue
        known.add(key)
        layer = layer_along(coupling, node.inputs[mask.operand], mask.axis)
        if layer is not None:
            taps = _taps(graph, node, layer.ids)
            patches = max(1, _scalars(graph, node) // _filters(graph, node, mask.operand))
            yield Reader(node, mask.operand, mask.axis, layer.ids, taps, patches)


def _scalars(graph: Graph, node: Node) -> int:
    """Results for one data point; 0 where the shape is not known."""
    shape = graph.values[node.outputs[0]].shape
    return 0 if shape is None else prod(shape) // _points(graph) or 1


def _points(graph: Graph) -> int:
    """Data points in one run: the first extent of the first input that has one."""
    shapes = [graph.values[name].shape for name in graph.inputs]
    return next((shape[0] for shape in shapes if shape), 1) or 1


def _taps(graph: Graph, node: Node, ids: Ids) -> int:
    if node.family != "contract":
        return prod(graph.values[node.inputs[1]].known_shape[2:])
    # The features of a channel that was flattened are read like the taps of a filter.
    _, counts = np.unique(ids[ids > 0], return_counts=True)
    return int(counts.max(initial=1))


def _filters(graph: Graph, node: Node, operand: int) -> int:
    """Results for one patch: extents that the other operand alone has."""
    if node.family != "contract":
        return graph.values[node.outputs[0]].known_shape[1]
    mine, other = letters(node)[operand], letters(node)[1 - operand]
    shape = graph.values[node.inputs[1 - operand]].known_shape
    return prod(n for n, letter in zip(shape, other, strict=True) if letter not in mine)


def _plain(reader: Reader) -> bool:
    """Whether shares in its sums can be told: every letter is summed or kept on both sides."""
    node = reader.node
    if node.family == "conv":
        return reader.operand == 0 and reader.axis == 1
    if node.family == "conv_transpose":
        dense = node.int("groups", 1) == 1 and not node.ints("output_shape")
        return dense and reader.operand == 0 and reader.axis == 1
    a, b, out = letters(node)
    lonely = set(a).symmetric_difference(b) - set(out)
    summed = (a, b)[reader.operand][reader.axis] not in out
    return summed and not lonely and len(set(a)) == len(a) and len(set(b)) == len(b)
