"""Borders."""

from __future__ import annotations

from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, respells


@respells("pad", "constant_pad_nd")
def pad(site: Site) -> Spelling | None:
    """Padding along a narrowed axis keeps its survivors."""
    x, given = site.operand("self"), list(site.arguments["pad"])
    rank, spelled = len(site.old()), list(given)
    for i in range(len(given) // 2):
        axis = rank - 1 - i
        if site.layer(site.node, axis) is None:
            continue
        before, _ = site.call.ints("pad")[2 * i : 2 * i + 2]
        stop = before + site.old(x)[axis]
        low, high, full = site.counts(site.node, axis, (before, stop, site.old()[axis]))
        spelled[2 * i : 2 * i + 2] = [low, full - high]
    return None if spelled == given else Spelling({"pad": spelled})
