"""Operators that take a value apart along an axis."""

from __future__ import annotations

import numpy as np
import torch

from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, respells

aten = torch.ops.aten


@respells(
    "split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk",
    "unsafe_split_with_sizes", "split_copy", "split_with_sizes_copy",
)  # fmt: skip
def split(site: Site) -> Spelling | None:
    """Sizes are what survives of every piece; equal pieces may become unequal."""
    x = site.operand("self")
    axis = site.call.axis(len(site.old(x)))
    layer = site.layer(x, axis)
    if layer is None or (site.planned.alive[layer.ids] == 1).all():
        return None
    bounds = np.cumsum([0, *(site.call.shape(i)[axis] for i in range(len(site.call.metas)))])
    counted = site.counts(x, axis, bounds.tolist())
    sizes = np.diff(counted).tolist()
    arguments = {"self": x, "split_sizes": sizes, "dim": axis}
    return Spelling(arguments, aten.split_with_sizes.default)
