"""Operators that regroup axes or repeat elements along them."""

from __future__ import annotations

import torch

from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, respells

aten = torch.ops.aten


def _sizes(site: Site, name: str, free: bool) -> Spelling | None:
    given = site.arguments[name]
    given = given if isinstance(given, list | tuple) else [given]
    spelled = site.extents(given, site.new(), free)
    return None if spelled == list(given) else Spelling({name: spelled})


@respells("view", "reshape", "_unsafe_view", "view_copy", "_reshape_copy")
def view(site: Site) -> Spelling | None:
    """Extents that no longer hold are replaced."""
    if "dtype" in site.arguments:
        return None
    return _sizes(site, "shape" if "shape" in site.arguments else "size", free=True)


@respells("unflatten")
def unflatten(site: Site) -> Spelling | None:
    """The extents that one axis is taken apart to."""
    given = site.arguments["sizes"]
    axis = site.call.axis(len(site.old(site.operand("self"))))
    wanted = site.new()[axis : axis + len(given)]
    spelled = site.extents(given, wanted, free=True)
    return None if spelled == list(given) else Spelling({"sizes": spelled})


@respells("squeeze", "squeeze_copy")
def squeeze(site: Site) -> Spelling | None:
    """Axes of which one index is left stay: only those that had extent 1 go."""
    x = site.operand("self")
    old, new = site.old(x), site.new(x)
    asked = site.call.axes(len(old))
    if all(new[axis] != 1 or old[axis] == 1 for axis in asked):
        return None
    gone = [axis for axis in asked if old[axis] == 1]
    return Spelling({"self": x, "dim": gone}, aten.squeeze.dims)


@respells("as_strided", "as_strided_copy")
def strided(site: Site) -> Spelling | None:
    """Lowered only where it gives its operand's own elements."""
    return Spelling({"self": site.operand("self")}, aten.alias.default) if site.changes() else None


@respells("_reshape_alias")
def reshape_alias(site: Site) -> Spelling | None:
    """A view that names its strides, which follow from the extents."""
    if not site.changes():
        return None
    spelled = site.extents(site.arguments["size"], site.new(), free=True)
    return Spelling({"self": site.operand("self"), "shape": spelled}, aten.reshape.default)


@respells("expand", "broadcast_to", "expand_copy")
def expand(site: Site) -> Spelling | None:
    """The target's extents follow."""
    x, wanted = site.operand("self"), site.new()
    given = site.arguments["size"]
    own = (None,) * (len(wanted) - len(site.new(x))) + site.new(x)
    kept = [
        -1 if hasattr(extent, "meta") and site.planned.number(extent) != size == own[i] else extent
        for i, (extent, size) in enumerate(zip(given, wanted, strict=True))
    ]
    spelled = site.extents(kept, wanted)
    return None if spelled == list(given) else Spelling({"size": spelled})


@respells("repeat", "tile")
def repeat(site: Site) -> Spelling | None:
    """How often follows from the extents before and after."""
    name = "repeats" if "repeats" in site.arguments else "dims"
    x, given = site.new(site.operand("self")), list(site.arguments[name])
    wanted = site.new()
    padded = (1,) * (len(wanted) - len(x)) + x
    lead = len(wanted) - len(given)
    times = tuple(n // m if m else 1 for n, m in zip(wanted, padded, strict=True))[lead:]
    if any(n * m != k for n, m, k in zip(times, padded[lead:], wanted[lead:], strict=True)):
        raise site.wordless("what it repeats would have to be repeated unevenly")
    spelled = site.extents(given, times)
    return None if spelled == given else Spelling({name: spelled})
