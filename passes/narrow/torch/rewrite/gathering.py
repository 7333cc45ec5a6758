"""Operators that pick or permute elements by known places: places are ranked among survivors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphprune.ir import Node
from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, Table, respells

aten = torch.ops.aten


def shuffled(site: Site, node: Node, source: Any) -> Spelling:
    """A permutation of one axis, however it is written, as explicit indices.

    Args:
        site: The last call of it.
        node: The canonical shuffle.
        source: The FX node that it permutes.
    """
    axis, perm = node.int("axis"), np.array(node.ints("perm"), np.int64)
    living = site.living(source, axis)
    rank = np.cumsum(living) - 1
    order = Table(np.asarray(rank[perm[living[perm]]], np.int64), source)
    return Spelling({"self": source, "dim": axis, "index": order}, aten.index_select.default)


@respells("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(site: Site) -> Spelling | None:
    """Groups need not be equally wide any more."""
    x = site.operand("self", "input")
    node = next((n for n in site.canonical if n.op == "shuffle"), None)
    return None if node is None or not site.changes(x) else shuffled(site, node, x)


def _ranked(site: Site, node: Node, x: Any) -> Table | None:
    """The indices of a canonical gather among the survivors; None where they hold.

    Args:
        site: The call.
        node: The canonical gather.
        x: The FX node that it picks from.
    """
    axis = node.int("axis")
    index = site.planned.coupling.graph.values[node.inputs[1]].const
    if index is None or site.layer(x, axis) is None:
        return None
    rank = np.cumsum(site.living(x, axis)) - 1
    kept = index.astype(np.int64)
    for i in range(index.ndim):
        kept = np.compress(site.living(site.node, axis + i), kept, axis=i)
    wanted = rank[kept]
    return None if np.array_equal(wanted, index) else Table(np.asarray(wanted, np.int64), x)


def _gather(site: Site) -> Node | None:
    """The only canonical node of a call, if that is a gather."""
    found = [node for node in site.canonical if node.op != "opaque"]
    return found[0] if [node.op for node in found] == ["gather"] else None


@respells("index_select")
def index_select(site: Site) -> Spelling | None:
    """Places of one axis by a vector of indices."""
    node, x = _gather(site), site.operand("self")
    index = None if node is None else _ranked(site, node, x)
    return None if index is None else Spelling({"index": index})


@respells("index")
def index(site: Site) -> Spelling | None:
    """Places of one axis; several axes at once only where they stay whole."""
    x, given = site.operand("self"), site.arguments["indices"]
    axes = [i for i, node in enumerate(given) if node is not None]
    cut = [axis for axis in axes if site.old(x)[axis] != site.new(x)[axis]]
    node = _gather(site)
    if not cut and not (node is not None and len(axes) == 1):
        return None
    if node is None or len(axes) > 1:
        raise site.wordless("it picks elements by several indices, some from a narrowed axis")
    table = _ranked(site, node, x)
    if table is None:
        return None
    return Spelling({"indices": [table if i in axes else None for i in range(len(given))]})


@respells("roll")
def roll(site: Site) -> Spelling | None:
    """As many survivors change sides as are among the elements that do."""
    x, shifts, axes = site.operand("self"), site.call.ints("shifts"), site.call.ints("dims")
    if not axes:
        if site.changes():
            raise site.wordless("it rotates all elements as one line")
        return None
    wanted = []
    for axis, shift in zip(axes, shifts, strict=True):
        axis %= len(site.old(x))
        size, left = site.old(x)[axis], site.new(x)[axis]
        stop = size - shift % size if size else 0
        wanted.append(shift if left == size else left - site.counts(x, axis, (stop,))[0])
    return None if tuple(wanted) == shifts else Spelling({"shifts": wanted})


@respells("repeat_interleave")
def repeat_interleave(site: Site) -> Spelling | None:
    """Every survivor as often as before."""
    arguments = site.arguments
    if not site.changes() or "repeats" not in arguments:
        return None
    axis = site.call.axis(len(site.old())) if site.call.given("dim") else 0
    if hasattr(arguments["repeats"], "meta") or not site.call.given("dim"):
        node = _gather(site)
        if node is None:
            raise site.wordless("it repeats every element another number of times")
        order = _ranked(site, node, site.operand("self"))
        x = {"self": site.operand("self"), "dim": axis, "index": order}
        return None if order is None else Spelling(x, aten.index_select.default)
    if arguments.get("output_size") is None:
        return None
    return Spelling({"output_size": site.new()[axis]})
