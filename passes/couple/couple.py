"""The couple pass: graph in, groups of coupled channels out."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Coupling, Group, Ids, Layer, Member
from graphprune.ir import Graph
from graphprune.labels import IN, OUT
from graphprune.passes.couple.context import Context
from graphprune.passes.couple.explain import frozen_axes
from graphprune.passes.couple.interpret import interpret, other_choices, settle
from graphprune.passes.couple.pieces import divide, lines
from graphprune.passes.couple.shuffles import fuse_shuffles

_ROLES = {OUT: "out", IN: "in", 0: "scale"}


def couple(graph: Graph) -> Coupling:
    """Find the groups of channels that may be removed together.

    Args:
        graph: A checked graph with concrete shapes.

    Returns:
        Groups, frozen axes with reasons, and the unit of every element of every value.
    """
    graph = fuse_shuffles(graph)
    ctx = interpret(graph)
    classes, families = settle(ctx)
    most = np.count_nonzero(classes)
    for retry in other_choices(ctx, classes):
        other = interpret(graph, ctx.choices | retry)
        solved = settle(other)
        count = np.count_nonzero(solved[0])
        if count > most:
            most, ctx, (classes, families) = count, other, solved
    return _coupling(ctx, classes, families)


def _coupling(ctx: Context, classes: Ids, families: tuple[Ids, ...]) -> Coupling:
    """Number the units and file them into groups."""
    removable = np.unique(classes[classes > 0])
    rank = np.zeros(classes.size, np.int64)
    rank[removable] = np.arange(1, removable.size + 1)
    units = rank[classes]
    layers = _final_layers(ctx, units)
    slots = [(v.name, layer) for v in ctx.graph.params for layer in layers.get(v.name, ())]
    matrices = _matrices(slots, removable.size, [rank[f] for f in families])
    matrices = divide(matrices, lines(ctx.layers, units))
    roles = ctx.labels.roles()
    approximate = [(units[a.ids], a.why) for a in ctx.approximations]
    groups = _groups(ctx, slots, matrices, roles, approximate)
    return Coupling(
        ctx.graph,
        groups,
        frozen_axes(ctx, classes, units),
        layers,
        int(removable.size),
        tuple(ctx.masks),
        dict(ctx.choices),
    )


def _final_layers(ctx: Context, units: Ids) -> dict[str, tuple[Layer, ...]]:
    found = {}
    for name, layers in ctx.layers.items():
        mapped = tuple(Layer(units[x.ids], x.axis) for x in layers)
        kept = tuple(x for x in mapped if x.ids.any())
        if kept:
            found[name] = kept
    return found


def _matrices(slots: list[tuple[str, Layer]], count: int, families: list[Ids]) -> list[Ids]:
    """Units filed into groups: families of rows first, the rest by what they touch."""
    signature = np.zeros(count + 1, np.uint64)
    for position, (_, layer) in enumerate(slots):
        ids, times = _counted(layer.ids.ravel())
        # One pseudo-random number a (slot, multiplicity); sums of them name a set of slots.
        code = times.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(position)
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        signature[ids] += code
    filed = np.zeros(count + 1, bool)
    filed[0] = True
    matrices = []
    for family in families:
        if family.all():
            matrices.append(np.sort(family, axis=1))
            filed[family] = True
    rest = np.flatnonzero(~filed)
    _, inverse = np.unique(signature[rest], return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.flatnonzero(np.diff(inverse[order])) + 1
    matrices += [part[None, :] for part in np.split(rest[order], ends) if part.size]
    return sorted(matrices, key=lambda m: int(m.min()))


def _counted(ids: Ids) -> tuple[Ids, Ids]:
    """Different ids and how often each occurs; most layers have each of theirs once."""
    if (ids[1:] > ids[:-1]).all():
        return ids, np.ones_like(ids)
    found, times = np.unique(ids, return_counts=True)
    return found, times


def _groups(
    ctx: Context,
    slots: list[tuple[str, Layer]],
    matrices: list[Ids],
    roles: Ids,
    approximate: list[tuple[Ids, str]],
) -> tuple[Group, ...]:
    home = np.full(1 + max((int(m.max()) for m in matrices), default=0), -1, np.int64)
    for i, matrix in enumerate(matrices):
        home[matrix] = i
    members: list[list[Member]] = [[] for _ in matrices]
    for name, layer in slots:
        raw = next(x for x in ctx.layers[name] if x.axis == layer.axis)
        role = _ROLES[int(roles[raw.ids].max())]
        for i in _present(home[layer.ids[layer.ids > 0]]):
            members[i].append(Member(name, layer.axis, role))
    reasons: list[set[str]] = [set() for _ in matrices]
    for ids, why in approximate:
        for i in _present(home[ids[ids > 0]]):
            reasons[i].add(why)
    return tuple(
        Group(f"g{i + 1}", matrix, tuple(members[i]), tuple(sorted(reasons[i])))
        for i, matrix in enumerate(matrices)
    )


def _present(numbers: Ids) -> list[int]:
    """The different numbers, ascending."""
    return np.flatnonzero(np.bincount(numbers)).tolist()
