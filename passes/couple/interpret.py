"""Running a graph on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphprune.groups import Coupling, Ids, Layer
from graphprune.ir import Graph
from graphprune.labels import Labels
from graphprune.passes.couple import pieces
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
    results = [name for name in node.outputs if name not in ctx.fixed]
    if not results:
        return
    fixed = [name for name in node.inputs if name in ctx.fixed]
    causes = [name for name in fixed if name not in ctx.layers]
    if not causes and any(name in ctx.layers for name in node.outputs):
        # Axes along which a labelled operand has no labels; unless it is they that were lost.
        causes = fixed
    why = ctx.fixed[causes[0]] if causes else f"{node.op} '{node.title}' has fixed results"
    ctx.fixed.update(dict.fromkeys(results, why))


def settle(ctx: Context) -> tuple[Ids, tuple[Ids, ...]]:
    """Solve the equalities and the demands on rows.

    Returns:
        The class of every label, 0 for those that stay, and families of rows in classes.
    """
    ctx.index = -1
    for _ in range(_ROUNDS):
        classes = _classes(ctx)
        found: Resolution = resolve(ctx.partitions.values(), classes)
        pairs = found.ties
        if found.families and not pairs:
            pairs = tuple(pieces.ties(found.families, pieces.lines(ctx.layers, classes)))
        if not pairs:
            return classes, found.families
        for left, right in pairs:
            ctx.labels.equate(left, right, -1)
    for matrix in ctx.partitions.values():
        ctx.labels.equate(matrix, matrix[:1], -1)
    classes = _classes(ctx)
    return classes, resolve(ctx.partitions.values(), classes).families


def _classes(ctx: Context) -> Ids:
    """The class of every label, 0 unless it may go and is produced or contracted somewhere.

    Padding and what was only expanded is no layer's: nobody would choose to remove it.
    """
    classes = ctx.labels.solve()
    active = np.zeros(classes.size, np.bool_)
    active[classes[ctx.labels.roles() > 0]] = True
    classes[~active[classes]] = 0
    return classes


def other_choices(ctx: Context, classes: Ids) -> list[dict[str, int]]:
    """Other axes to try where a choice froze all there was to choose from.

    Splits that meet have to agree, which the sizes alone cannot tell: all that froze are tried
    with their next best axis, with their innermost and with their outermost one.
    """
    frozen = {name: sizes for name, (ids, sizes) in ctx.splits.items() if not np.any(classes[ids])}
    tried: list[dict[str, int]] = []
    for pick in (_next_best, _innermost, _outermost):
        wanted = {name: pick(sizes, ctx.choices[name]) for name, sizes in frozen.items()}
        retry = {n: axis for n, axis in wanted.items() if axis != ctx.choices[n]}
        if retry and retry not in tried:
            tried.append(retry)
    return tried


def _next_best(sizes: Sequence[int], chosen: int) -> int:
    ranked = [i for i in np.argsort([-n for n in sizes], kind="stable").tolist() if sizes[i] > 1]
    return ranked[(ranked.index(chosen) + 1) % len(ranked)] if chosen in ranked else chosen


def _innermost(sizes: Sequence[int], chosen: int) -> int:
    return max((i for i, n in enumerate(sizes) if n > 1), default=chosen)


def _outermost(sizes: Sequence[int], chosen: int) -> int:
    return min((i for i, n in enumerate(sizes) if n > 1), default=chosen)
