"""Why an axis is frozen: the shortest chain of operations to what froze it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from graphprune.groups import Frozen, Ids
from graphprune.labels import OUT, Roles
from graphprune.passes.couple.context import Context


def frozen_axes(ctx: Context, classes: Ids, roles: Roles) -> tuple[Frozen, ...]:
    """Produced or contracted parameter axes that may not be narrowed, with reasons.

    Args:
        ctx: After the interpretation.
        classes: The class of every label, 0 for those that stay.
        roles: The role of every label.
    """
    stays = (classes == 0) & (roles > 0)
    chains = _Chains(ctx, classes)
    found = []
    for value in ctx.graph.params:
        for layer in ctx.layers.get(value.name, ()):
            stuck = stays[layer.ids]
            if not stuck.any():
                continue
            role = "out" if (roles[layer.ids] == OUT).any() else "in"
            line = stuck.any(axis=tuple(i for i in range(stuck.ndim) if i != layer.axis))
            reason = chains.reason(np.unique(ctx.labels.source_index(layer.ids[stuck])).tolist())
            width = ctx.shape(value.name)[layer.axis]
            count = int(line.sum())
            found.append(Frozen(value.name, layer.axis, width, role, reason, count))
    return tuple(found)


class _Chains:
    """The shortest ways from every label source with a frozen label to what froze it.

    Args:
        ctx: After the interpretation.
        classes: The class of every label, 0 for those that stay.
    """

    def __init__(self, ctx: Context, classes: Ids) -> None:
        self._ctx = ctx
        self._links, self._why = _links(ctx, classes)
        self._distance = np.full(len(ctx.labels.sources), np.inf)
        if self._why:
            rows, columns = np.array(list(self._links)).T
            size = max(self._why) + 1
            ones = np.ones(len(self._links), np.int8)
            self._distance, self._before, _ = dijkstra(
                coo_array((ones, (rows, columns)), shape=(size, size)),
                directed=False,
                indices=sorted(self._why),
                unweighted=True,
                min_only=True,
                return_predecessors=True,
            )

    def reason(self, sources: Sequence[int]) -> tuple[str, ...]:
        """Titles of the operations from the first source that has a chain, then the cause."""
        at = next((source for source in sources if np.isfinite(self._distance[source])), None)
        if at is None:
            return ("frozen",)
        steps: list[str] = []
        while at not in self._why:
            nearer = int(self._before[at])
            node = self._links.get((at, nearer), self._links.get((nearer, at), -1))
            title = self._ctx.graph.nodes[node].title if node >= 0 else ""
            if title and (not steps or steps[-1] != title):
                steps.append(title)
            at = nearer
        return (*steps, self._why[at])


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
