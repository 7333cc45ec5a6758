"""Respelling of assignments to a block of a tensor."""

from __future__ import annotations

import numpy as np

from graphprune.passes.narrow.respell import Edit, SetOperand, Site, respells


@respells("ScatterND")
def scatter(site: Site) -> list[Edit]:
    """The block that is replaced begins behind the survivors before it."""
    if site.node.op != "scatter":
        return []
    x, updates = site.node.inputs
    original = site.folded.now(site.native.operand(1))
    depth = original.shape[-1]
    starts = [site.counts(x, i, (n,))[0] for i, n in enumerate(site.node.ints("starts")[:depth])]
    block = np.indices(site.new(updates)[:depth])
    wanted = np.moveaxis(block, 0, -1) + np.array(starts)
    same = np.where(original < 0, original + np.array(site.new(x)[:depth]), original)
    if np.array_equal(same, wanted):
        return []
    return [SetOperand(1, wanted.astype(original.dtype))]
