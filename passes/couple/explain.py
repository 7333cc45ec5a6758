"""Why an axis is frozen: the shortest chain of operations to what froze it."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from graphprune.groups import Frozen, Ids
from graphprune.passes.couple.context import Context


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
    links, why = _links(ctx, classes)
    if not why:
        return {}
    rows, columns = np.array(list(links)).T
    size = max(why) + 1
    graph = coo_array((np.ones(len(links), np.int8), (rows, columns)), shape=(size, size))
    distance, before, _ = dijkstra(
        graph,
        directed=False,
        indices=sorted(why),
        unweighted=True,
        min_only=True,
        return_predecessors=True,
    )
    chains: dict[int, tuple[str, ...]] = {}
    for source in range(len(ctx.labels.sources)):
        if np.isfinite(distance[source]):
            chains[source] = _sentence(ctx, source, before, links, why)
    return chains


def _links(ctx: Context, classes: Ids) -> tuple[dict[tuple[int, int], int], dict[int, str]]:
    """Frozen label sources that an operation makes equal, and what froze them.

    Returns:
        The operation of every pair, and reasons, numbered from the number of sources on.
    """
    links: dict[tuple[int, int], int] = {}
    why: dict[int, str] = {}
    count = len(ctx.labels.sources)
    for freeze in ctx.labels.freezes:
        end = count + len(why)
        why[end] = freeze.why
        for source in np.unique(ctx.labels.source_index(freeze.ids)).tolist():
            links.setdefault((source, end), freeze.node)
    zeros: dict[int, int] = {}
    for equality in ctx.labels.equalities:
        stuck = classes[equality.left] == 0
        if not stuck.any():
            continue
        pairs = np.stack([equality.left[stuck], equality.right[stuck]])
        for a, b in np.unique(ctx.labels.source_index(pairs), axis=1).T.tolist():
            if a < 0 or b < 0:
                end = zeros.setdefault(equality.node, count + len(why))
                why.setdefault(end, _meets_fixed(ctx, equality.node))
                links.setdefault((max(a, b), end), equality.node)
            elif a != b:
                links.setdefault((a, b), equality.node)
    return links, why


def _meets_fixed(ctx: Context, node: int) -> str:
    if node < 0:
        return "rows that must stay equally long"
    names = sorted(ctx.graph.nodes[node].inputs, key=lambda name: name in ctx.layers)
    fixed = next((ctx.fixed[n] for n in names if n in ctx.fixed), None)
    return fixed or "meets channels that are fixed"


def _sentence(
    ctx: Context,
    source: int,
    before: Ids,
    links: dict[tuple[int, int], int],
    why: dict[int, str],
) -> tuple[str, ...]:
    """Titles of the operations from a parameter axis to the reason, then the reason."""
    steps: list[str] = []
    at = source
    while at not in why:
        nearer = int(before[at])
        node = links.get((at, nearer), links.get((nearer, at), -1))
        title = ctx.graph.nodes[node].title if node >= 0 else ""
        if title and (not steps or steps[-1] != title):
            steps.append(title)
        at = nearer
    return (*steps, why[at])
