"""Which channels of the original the channels of a narrowed module are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphprune.copies import FRESH, is_new
from graphprune.frontends.torch import TracedModule
from graphprune.frontends.torch.parameters import find, identity
from graphprune.groups import Coupling, Ids, Left
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.cuts import Cut, cuts
from graphprune.passes.narrow.torch.tensors import names, places

IndexMaps = Mapping[str, Mapping[int, Ids]]


def index_maps(traced: TracedModule, coupling: Coupling, alive: Left) -> IndexMaps:
    """The original indices of what is left of every parameter, buffer and constant.

    Distillation, or copying weights back, needs them: channel ``j`` of a narrowed convolution is
    channel ``maps["conv.weight"][0][j]`` of the original.

    Args:
        traced: The original.
        coupling: Of its graph.
        alive: Whether each unit lives, or how many stand for it, by unit id.

    Returns:
        By qualified name, all names of a tied tensor, and by axis: ascending indices, with -1 for
        channels that the original has not; where other
        indices are left in every row, a table whose last axis runs over what is left of a row
        and whose other axes over the rows that are left.
    """
    found: dict[str, Mapping[int, Ids]] = {}
    known = _names(traced)
    for value in coupling.graph.params:
        source = value.source or value.name
        maps = _axes(value.known_shape, cuts(coupling, value.name, alive))
        for name in known.get(source) or (source,):
            found[name] = maps
    return found


def _axes(shape: Shape, wanted: tuple[Cut, ...]) -> dict[int, Ids]:
    maps: dict[int, Ids] = {axis: np.arange(size) for axis, size in enumerate(shape)}
    plain = {cut.axis: cut.kept[0] for cut in wanted if not cut.rows}
    maps |= {axis: np.where(is_new(kept), FRESH, kept) for axis, kept in plain.items()}
    for cut in wanted:
        if cut.rows:
            table = cut.kept.reshape(*cut.extents, -1)
            for place, row in enumerate(cut.rows):
                table = np.take(table, plain.get(row, np.arange(shape[row])), axis=place)
            maps[cut.axis] = table
    return maps


def _names(traced: TracedModule) -> Mapping[str, tuple[str, ...]]:
    """All names of every tensor."""
    if hasattr(traced.module, "named_modules"):
        return {source: names(found) for source, found in places(traced).items()}
    same: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for spec in traced.program.graph_signature.input_specs:
        tensor = find(traced.program, spec.target) if spec.target else None
        if tensor is not None:
            same[identity(tensor)].append(spec.target)
    return {group[0]: tuple(group) for group in same.values()}
