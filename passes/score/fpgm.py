"""How far a channel's filters lie from all others: those near the middle can be replaced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from graphprune.groups import Coupling, Ids, Layer
from graphprune.passes.score.aggregate import Aggregate, Aggregating, parts, producers
from graphprune.passes.score.registry import Tensors, criterion
from graphprune.scores import Scores
from graphprune.terms import Floats

# Elements of the filters that are widened to float64 at a time.
_SLAB = 1 << 22


@criterion("fpgm")
@dataclass(frozen=True)
class Fpgm(Aggregating):
    """Sum of the distances of a channel's filters to those of all channels, over its layers.

    The filters that lie nearest to the geometric median of a layer are those the others can stand
    in for.

    Source: He et al., "Filter Pruning via Geometric Median for Deep Neural Networks
    Acceleration", CVPR 2019, section 3.3, equations 4 to 6.

    Attributes:
        aggregate: What counts where several layers make the channels of a group.
    """

    aggregate: Aggregate = "mean"

    def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random."""
        found = parts(
            coupling,
            partial(producers, coupling),
            lambda member, layer, units: _distances(tensors(member.param), layer, units),
        )
        return Scores(self.aggregated(found), "fpgm")


def _distances(tensor: NDArray[np.generic], layer: Layer, units: Ids) -> Floats:
    """The sum of every unit's distances to all units, in the shape of ``units``.

    Args:
        tensor: A parameter.
        layer: Which units its elements belong to.
        units: The units of one group.
    """
    axes = (*layer.rows, layer.axis)
    front = range(len(axes))
    rows = np.moveaxis(tensor, axes, front)
    rows = rows.reshape(int(np.prod(rows.shape[: len(axes)])), -1)
    ids = np.moveaxis(layer.ids, axes, front).ravel()
    order = np.argsort(ids, kind="stable")
    starts, ends = (np.searchsorted(ids[order], units.ravel(), side) for side in ("left", "right"))
    total = np.zeros(units.size)
    counts = ends - starts
    # The n-th filter of a unit is compared with the n-th ones of the others.
    for n in range(int(counts.max(initial=0))):
        there = counts > n
        total[there] += _sums(rows[order[starts[there] + n]])
    return total.reshape(units.shape)


def _sums(filters: NDArray[np.generic]) -> Floats:
    """The sum of each row's distances to all rows."""
    step = max(1, _SLAB // max(1, filters.shape[1]))
    total = np.zeros(len(filters))
    for i in range(0, len(filters), step):
        some = filters[i : i + step].astype(np.float64)
        for j in range(0, len(filters), step):
            others = filters[j : j + step].astype(np.float64)
            total[i : i + step] += cdist(some, others).sum(axis=1)
    return total
