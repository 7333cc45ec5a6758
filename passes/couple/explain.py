"""Why an axis is frozen: the shortest chain of operations to what froze it."""

from __future__ import annotations

import networkx as nx
import numpy as np

from graphprune.groups import Frozen, Ids
from graphprune.passes.couple.context import Context

Key = tuple[str, int]


def frozen_axes(ctx: Context, classes: Ids, units: Ids) -> tuple[Frozen, ...]:
    """Produced or contracted parameter axes that may not be narrowed, with reasons."""
    roles = ctx.labels.roles()
    chains = _chains(ctx, classes)
    found = []
    for value in ctx.graph.params:
        for layer in ctx.layers.get(value.name, ()):
            kinds = roles[layer.ids]
            stuck = (units[layer.ids] == 0) & (kinds > 0)
            if not stuck.any():
                continue
            role = "out" if (kinds == 1).any() else "in"
            line = stuck.any(axis=tuple(i for i in range(stuck.ndim) if i != layer.axis))
            sources = np.unique(ctx.labels.source_index(layer.ids[stuck]))
            reason = next((chains[int(s)] for s in sources if int(s) in chains), ("frozen",))
            width = ctx.shape(value.name)[layer.axis]
            count = int(line.sum())
            found.append(Frozen(value.name, layer.axis, width, role, reason, count))
    return tuple(found)


def _chains(ctx: Context, classes: Ids) -> dict[int, tuple[str, ...]]:
    """For every label source with a frozen label: the operations up to the reason."""
    graph: nx.Graph[Key] = nx.Graph()
    why: dict[Key, str] = {}
    for number, freeze in enumerate(ctx.labels.freezes):
        end = ("why", number)
        why[end] = freeze.why
        for source in np.unique(ctx.labels.source_index(freeze.ids)):
            graph.add_edge(end, ("source", int(source)), node=freeze.node)
    for equality in ctx.labels.equalities:
        left, right, node = equality.left, equality.right, equality.node
        stuck = classes[left] == 0
        if not stuck.any():
            continue
        pairs = np.stack([left[stuck], right[stuck]])
        ends = np.unique(ctx.labels.source_index(pairs), axis=1)
        for a, b in ends.T.tolist():
            if a < 0 or b < 0:
                end = ("zero", node)
                why[end] = _meets_fixed(ctx, node)
                graph.add_edge(end, ("source", max(a, b)), node=node)
            elif a != b:
                graph.add_edge(("source", a), ("source", b), node=node)
    if not why:
        return {}
    paths = nx.multi_source_dijkstra_path(graph, list(why))
    return {
        key[1]: _sentence(ctx, graph, path, why)
        for key, path in paths.items()
        if key[0] == "source"
    }


def _meets_fixed(ctx: Context, node: int) -> str:
    if node < 0:
        return "rows that must stay equally long"
    names = sorted(ctx.graph.nodes[node].inputs, key=lambda name: name in ctx.layers)
    fixed = next((ctx.fixed[n] for n in names if n in ctx.fixed), None)
    return fixed or "meets channels that are fixed"


def _sentence(
    ctx: Context, graph: nx.Graph[Key], path: list[Key], why: dict[Key, str]
) -> tuple[str, ...]:
    """Titles of the operations from the parameter to the reason, then the reason."""
    steps: list[str] = []
    for a, b in zip(path[:-1], path[1:], strict=True):
        node = graph.edges[a, b]["node"]
        title = ctx.graph.nodes[node].title if node >= 0 else ""
        if title and (not steps or steps[-1] != title):
            steps.append(title)
    return (*reversed(steps), why[path[0]])
