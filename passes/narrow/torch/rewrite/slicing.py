"""Operators that take a range or a place of an axis: bounds count the survivors before them."""

from __future__ import annotations

from typing import Any

from graphprune.frontends.torch import hints
from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, respells


def _number(argument: Any, default: int) -> int:
    """A bound as it was."""
    if argument is None:
        return default
    found = hints.number(argument.meta["val"] if hasattr(argument, "meta") else argument)
    return default if found is None else int(found)


def _range(site: Site, node: Any, axis: int) -> Spelling | None:
    """New start and end of a range along an axis of a node."""
    size = site.old(node)[axis]
    if site.layer(node, axis) is None or site.call.integer("step", 1) != 1:
        return None
    names = ("start", "end")
    given = [site.arguments.get(name) for name in names]
    start, end, _ = slice(_number(given[0], 0), _number(given[1], size)).indices(size)
    wanted = site.counts(node, axis, (start, max(start, end)))
    left = site.new(node)[axis]
    now = slice(_number(given[0], 0), _number(given[1], left)).indices(left)[:2]
    changed = {names[i]: wanted[i] for i in range(2) if wanted[i] != now[i]}
    if any(hasattr(site.arguments.get(name), "meta") for name in changed):
        raise site.wordless("a bound computed from a dynamic dimension would have to change")
    return Spelling(changed) if changed else None


@respells("slice", "slice_copy")
def slice_(site: Site) -> Spelling | None:
    """A range of an axis."""
    x = site.operand("self")
    return _range(site, x, site.call.axis(len(site.old(x))))


@respells("slice_scatter")
def slice_scatter(site: Site) -> Spelling | None:
    """A range of an axis replaced."""
    return _range(site, site.node, site.call.axis(len(site.old())))


@respells("narrow", "narrow_copy")
def narrow(site: Site) -> Spelling | None:
    """A range by start and length."""
    x = site.operand("self")
    axis = site.call.axis(len(site.old(x)))
    if site.layer(x, axis) is None:
        return None
    start = site.call.integer("start") % site.old(x)[axis]
    low, high = site.counts(x, axis, (start, start + site.call.integer("length")))
    given = (site.arguments["start"], site.arguments["length"])
    if (low, high - low) == given:
        return None
    return Spelling({"start": low, "length": high - low})


@respells("select", "select_copy", "select_scatter")
def select(site: Site) -> Spelling | None:
    """One place of an axis."""
    x = site.node if site.call.op == "select_scatter" else site.operand("self")
    axis = site.call.axis(len(site.old(x)))
    if site.layer(x, axis) is None:
        return None
    wanted = site.counts(x, axis, (site.call.integer("index") % site.old(x)[axis],))[0]
    return None if wanted == site.arguments["index"] else Spelling({"index": wanted})
