"""Running a graph on labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphprune.groups import Coupling, Ids, Layer
from graphprune.ir import Graph
from graphprune.labels import Labels
from graphprune.passes.couple.context import RULES, Context
from graphprune.passes.couple.rectangles import Resolution, resolve

_ROUNDS = 8  # ties may uncover further conflicts between rows


def interpret(
    graph: Graph,
    choices: Mapping[str, int] | None = None,
    labels: Labels | None = None,
    preset: Mapping[str, tuple[Layer, ...]] | None = None,
    original: Coupling | None = None,
) -> Context:
    """Give every value its label layers and collect the equalities.

    Args:
        graph: With channel shuffles fused.
        choices: Which axis is narrowed at a split, by result name.
        labels: A store that holds reserved labels already.
        preset: Layers of parameters in terms of these.
        original: What the graph was narrowed from.
    """
    ctx = Context(graph, labels or Labels(), dict(choices or {}), original=original)
    ctx.layers.update(preset or {})
    for name in graph.inputs:
        ctx.fixed[name] = f"'{name}' is an input of the graph"
    for index, node in enumerate(graph.nodes):
        ctx.index = index
        unknown = any(graph.values[n].shape is None for n in (*node.inputs, *node.outputs) if n)
        RULES["opaque" if unknown else node.family](ctx, node)
        _remember(ctx)
    ctx.index = -1
    for name in graph.outputs:
        if graph.values[name].shape is not None:
            ctx.freeze_all(name, f"'{name}' is an output of the graph")
    return ctx


def _remember(ctx: Context) -> None:
    """Where results are constant, and why those without layers have none."""
    node = ctx.node
    if all(ctx.constant(name) for name in node.inputs if name):
        ctx.constants.update(node.outputs)
    for name in node.outputs:
        if name in ctx.layers or name in ctx.fixed:
            continue
        reason = next((ctx.fixed[n] for n in node.inputs if n in ctx.fixed), None)
        ctx.fixed[name] = reason or f"{node.op} '{node.title}' has fixed results"


def settle(ctx: Context) -> tuple[Ids, tuple[Ids, ...]]:
    """Solve the equalities and the demands on rows.

    Returns:
        The class of every label, and families of rows in classes.
    """
    ctx.index = -1
    for _ in range(_ROUNDS):
        classes = ctx.labels.solve()
        found: Resolution = resolve(ctx.partitions.values(), classes)
        if not found.ties:
            return classes, found.families
        for left, right in found.ties:
            ctx.labels.equate(left, right, -1)
    for matrix in ctx.partitions.values():
        ctx.labels.equate(matrix, matrix[:1], -1)
    classes = ctx.labels.solve()
    return classes, resolve(ctx.partitions.values(), classes).families


def frozen_splits(ctx: Context, classes: Ids) -> dict[str, int]:
    """Splits whose every label is frozen, with another axis to try."""
    retry = {}
    for name, (ids, sizes) in ctx.splits.items():
        if not np.any(classes[ids]) and len(sizes) > 1:
            ranked = np.argsort([-n for n in sizes], kind="stable").tolist()
            other = ranked[(ranked.index(ctx.choices[name]) + 1) % len(ranked)]
            if sizes[other] > 1:
                retry[name] = other
    return retry
