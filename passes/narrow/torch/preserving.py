"""Weights with which a wider module computes what the original computes.

Where several channels stand for one, each holds the same and whoever sums over them reads each at
its share. Source: Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
section 2.2 (Net2WiderNet).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from graphprune.copies import grown, repeated
from graphprune.frontends.torch import TracedModule
from graphprune.groups import Copies, Coupling, Layer
from graphprune.passes.narrow.torch.narrowed import NarrowedModule
from graphprune.passes.narrow.torch.tensors import places, resolve


def unpreservable(coupling: Coupling, copies: Copies) -> str:
    """Why no weights make a wider network compute what the original does; empty if some do.

    Args:
        coupling: Of the original.
        copies: How many channels stand for each unit.
    """
    wider = set(grown(coupling, copies))
    statistics = [g.name for g in coupling if g.name in wider and g.approximate]
    if statistics:
        return f"statistics run over new channels too: {', '.join(statistics)}"
    for mask in coupling.masks:
        node = coupling.graph.nodes[mask.node]
        layer = _along(coupling, node.inputs[mask.operand], mask.axis)
        if layer is None or (copies[layer.ids] <= 1).all():
            continue
        weights = [coupling.graph.values[n] for n in node.inputs[:2] if n]
        if mask.mean or not any(v.kind == "param" for v in weights):
            return f"'{node.title}' sums over new channels without weights"
    return ""


@contextmanager
def preserving(
    traced: TracedModule, coupling: Coupling, copies: Copies, narrowed: NarrowedModule
) -> Iterator[None]:
    """Weights that preserve the function, for a while.

    Args:
        traced: The original.
        coupling: Of its graph.
        copies: How many channels stand for each unit.
        narrowed: The wider module, whose channels are copies of the original's.
    """
    found, before = places(traced), []
    try:
        for source, axis, factor in _shares(coupling, copies):
            place = next(p for p in found[source] if p[1][0] in ("_parameters", "_buffers"))
            tensor = resolve(narrowed.module, place).detach()
            before.append((tensor, tensor.clone()))
            extents = [1] * tensor.dim()
            extents[axis] = -1
            tensor.mul_(factor.reshape(extents).to(tensor))
        yield
    finally:
        for tensor, contents in reversed(before):
            tensor.copy_(contents)


def _shares(coupling: Coupling, copies: Copies) -> Iterator[tuple[str, int, Any]]:
    """Weights that sum over new channels: the axis, and what to multiply along it."""
    seen: set[tuple[str, int]] = set()
    for group in coupling:
        for member in group.members:
            value = coupling.graph.values[member.param]
            key = (value.source or value.name, member.axis)
            layer = _along(coupling, member.param, member.axis)
            if member.role != "in" or key in seen or layer is None:
                continue
            amounts = copies[layer.line]
            if (amounts > 1).any():
                seen.add(key)
                shares = 1 / amounts[repeated(layer.line, amounts)].astype(np.float64)
                yield (*key, torch.from_numpy(shares))


def _along(coupling: Coupling, name: str, axis: int) -> Layer | None:
    return next((x for x in coupling.layers.get(name, ()) if x.axis == axis), None)
