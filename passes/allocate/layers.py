"""How the widths of groups size the layers that hold weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from graphprune.cost import CostModel
from graphprune.groups import Coupling, Ids
from graphprune.passes.linearise import Weight, weights
from graphprune.terms import METRICS, Floats


@dataclass(frozen=True, eq=False)
class SizedLayer:
    """A layer with weights, and what it costs at full width.

    Attributes:
        name: The native name of its weight.
        weights: How many weights it has.
        macs: Multiply-accumulates of all its uses.
        shape: The weight's extents.
        exponents: How often each group sizes the weight, ``(groups,)``: 1 an axis whose
            channels are all the group's, its share of an axis that several groups make up.
        dense: Whether it counts in the objective: neither depthwise nor part of a gate.
        gated: Whether it is part of a gate.
        reads: Exponents along the axis that is summed over, ``(groups,)``.
    """

    name: str
    weights: int
    macs: int
    shape: tuple[int, ...]
    exponents: Floats
    dense: bool
    gated: bool
    reads: Floats


def sized_layers(coupling: Coupling, costs: CostModel) -> tuple[SizedLayer, ...]:
    """The layers with weights, in the order of the network; those that share one are one.

    Args:
        coupling: The network and its groups.
        costs: Its cost.
    """
    owner = np.full(coupling.units + 1, len(coupling.groups))
    for i, group in enumerate(coupling):
        owner[group.units] = i
    uses: dict[str, list[Weight]] = {}
    for weight in weights(coupling.graph):
        value = coupling.graph.values[weight.param]
        uses.setdefault(value.source or value.name, []).append(weight)
    spent, reads = _macs(costs), dict[str, list[int]]()
    for member in (member for group in coupling for member in group.members):
        if member.role == "in":
            reads.setdefault(member.param, []).append(member.axis)
    context = _Context(coupling, owner, spent, reads)
    return tuple(_sized(context, name, same) for name, same in uses.items())


class _Context(NamedTuple):
    """What is asked of every layer: the group of each unit, MACs, and axes that are summed over."""

    coupling: Coupling
    owner: Ids
    macs: dict[tuple[int, int], int]
    reads: dict[str, list[int]]


def _sized(context: _Context, name: str, uses: Sequence[Weight]) -> SizedLayer:
    coupling, owner, spent, reads = context
    first = uses[0]
    shape = coupling.graph.values[first.param].known_shape
    family = coupling.graph.nodes[first.node].family
    by_axis = np.zeros((len(shape), len(coupling.groups) + 1))
    for layer in coupling.layers.get(first.param, ()):
        counts = np.bincount(owner[layer.line], minlength=by_axis.shape[1])
        by_axis[layer.axis] = counts / len(layer.line)
    recurrent = family in ("lstm", "gru", "rnn")
    return SizedLayer(
        name=name,
        weights=prod(shape),
        macs=sum(spent.get((use.node, use.operand if recurrent else 0), 0) for use in uses),
        shape=shape,
        exponents=by_axis[:, :-1].sum(axis=0),
        dense=any(not use.depthwise and not use.gated for use in uses),
        gated=all(use.gated for use in uses),
        reads=by_axis[reads.get(first.param, [])[:1], :-1].sum(axis=0),
    )


def _macs(costs: CostModel) -> dict[tuple[int, int], int]:
    """MACs by node; by node and operand where a cell multiplies by two weights."""
    graph, terms = costs.coupling.graph, costs.terms
    dims = np.bincount(terms.elements[0], minlength=len(terms.base))
    dims[0] = 1
    sizes = terms.factors * dims[terms.indices].prod(axis=1)
    found: dict[tuple[int, int], int] = {}
    seen: dict[int, int] = {}
    for i in np.flatnonzero(terms.metrics == METRICS.index("macs")):
        node = int(terms.nodes[i])
        seen[node] = seen.get(node, 0) + 1
        operand = seen[node] if graph.nodes[node].family in ("lstm", "gru", "rnn") else 0
        found[node, operand] = found.get((node, operand), 0) + round(float(sizes[i]))
    return found
