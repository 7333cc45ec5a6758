"""The couple pass: graph in, groups of coupled channels out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from graphprune.groups import Coupling, Group, Ids, Layer, Member
from graphprune.ir import Graph
from graphprune.ir.graph import Shape
from graphprune.labels import IN, OUT, Roles
from graphprune.passes.couple.context import Context
from graphprune.passes.couple.explain import frozen_axes
from graphprune.passes.couple.interpret import interpret, other_choices, settle
from graphprune.passes.couple.pieces import divide, lines
from graphprune.passes.couple.shuffles import fuse_shuffles

_ROLES = {OUT: "out", IN: "in", 0: "scale"}


def couple(graph: Graph, choices: Mapping[str, int] | None = None) -> Coupling:
    """Find the groups of channels that may be removed together.

    Args:
        graph: A checked graph with concrete shapes.
        choices: Which axis is narrowed at splits, by result name, where that is settled: as in
            the coupling of a model that this one was narrowed from.

    Returns:
        Groups, frozen axes with reasons, and the unit of every element of every value.
    """
    graph = fuse_shuffles(graph)
    ctx = interpret(graph, choices)
    classes, families = settle(ctx)
    most = np.count_nonzero(classes)
    for retry in other_choices(ctx, classes):
        if choices is not None and not retry.keys().isdisjoint(choices):
            continue
        other = interpret(graph, ctx.choices | retry)
        solved = settle(other)
        count = np.count_nonzero(solved[0])
        if count > most:
            most, ctx, (classes, families) = count, other, solved
    return _coupling(ctx, classes, families)


def _coupling(ctx: Context, classes: Ids, families: tuple[Ids, ...]) -> Coupling:
    """Number the units and file them into groups."""
    removable = np.zeros(classes.size, np.bool_)
    removable[classes] = True
    removable[0] = False
    rank = np.cumsum(removable, dtype=np.int64)
    rank[~removable] = 0
    count = int(rank.max())
    units = rank[classes]
    layers = _final_layers(ctx, units)
    slots = [(v.name, layer) for v in ctx.graph.params for layer in layers.get(v.name, ())]
    matrices = divide(_matrices(slots, count, [rank[f] for f in families]), lines(layers))
    roles = ctx.labels.roles()
    approximate = [(units[a.ids], a.why) for a in ctx.approximations]
    return Coupling(
        ctx.graph,
        _groups(ctx, slots, matrices, roles, approximate),
        frozen_axes(ctx, classes, roles),
        layers,
        count,
        tuple(ctx.masks),
        dict(ctx.choices),
    )


def _final_layers(ctx: Context, units: Ids) -> dict[str, tuple[Layer, ...]]:
    """Layers in units; equal ones are one object, and frozen ones are left out."""
    known: dict[int, Layer | None] = {}
    equal: dict[tuple[int, Shape, bytes], Layer] = {}
    for layer in (layer for layers in ctx.layers.values() for layer in layers):
        if id(layer) not in known:
            ids = units[layer.ids]
            key = (layer.axis, ids.shape, ids.tobytes())
            known[id(layer)] = equal.setdefault(key, Layer(ids, layer.axis)) if ids.any() else None
    found = {}
    for name, layers in ctx.layers.items():
        kept = tuple(x for x in (known[id(layer)] for layer in layers) if x is not None)
        if kept:
            found[name] = kept
    return found


def _matrices(slots: list[tuple[str, Layer]], count: int, families: list[Ids]) -> list[Ids]:
    """Units filed into groups: families of rows first, the rest by what they touch."""
    signature = np.zeros(count + 1, np.uint64)
    places: dict[int, list[int]] = defaultdict(list)
    for position, (_, layer) in enumerate(slots):
        places[id(layer)].append(position)
    for positions in places.values():
        ids, times = _counted(slots[positions[0]][1].ids.reshape(-1))
        # One pseudo-random number a (slot, multiplicity); sums of them name a set of slots.
        code = times.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
        code = code + np.array(positions, np.uint64)
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        signature[ids] += code.sum(axis=1)
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
    """Different ids and how often each occurs: one number for all of them where it is equal."""
    if (ids[1:] > ids[:-1]).all():
        return ids, np.ones(1, np.int64)
    found, times = np.unique(ids, return_counts=True)
    return found, times


def _groups(
    ctx: Context,
    slots: list[tuple[str, Layer]],
    matrices: list[Ids],
    roles: Roles,
    approximate: list[tuple[Ids, str]],
) -> tuple[Group, ...]:
    home = np.full(1 + max((int(m.max()) for m in matrices), default=0), -1, np.int64)
    for i, matrix in enumerate(matrices):
        home[matrix] = i
    members: list[list[Member]] = [[] for _ in matrices]
    present: dict[int, list[int]] = {}
    for name, layer in slots:
        raw = next(x for x in ctx.layers[name] if x.axis == layer.axis)
        member = Member(name, layer.axis, _ROLES[int(roles[raw.ids].max())])
        if id(layer) not in present:
            present[id(layer)] = _present(home, layer.ids)
        for i in present[id(layer)]:
            members[i].append(member)
    reasons: list[set[str]] = [set() for _ in matrices]
    for ids, why in approximate:
        for i in _present(home, ids):
            reasons[i].add(why)
    return tuple(
        Group(f"g{i + 1}", matrix, tuple(members[i]), tuple(sorted(reasons[i])))
        for i, matrix in enumerate(matrices)
    )


def _present(home: Ids, ids: Ids) -> list[int]:
    """The different groups that units are at home in, ascending."""
    return np.flatnonzero(np.bincount(home[ids[ids > 0]])).tolist()
