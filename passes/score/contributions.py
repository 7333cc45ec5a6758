"""How the contributions of channels to their readers' results vary together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graphprune.errors import BadData
from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling, Ids
from graphprune.passes.score.unfold import Pieces, unfold
from graphprune.passes.score.watch import Watched, watch
from graphprune.terms import Floats


def grams(
    coupling: Coupling, evidence: Evidence, criterion: str, samples: int, seed: int
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """For every group the sums of products of its units' contributions, over sampled results.

    A result of a reader, at one position and of one filter, is the sum of its channels'
    contributions (and of its bias). With ``A`` the matrix of contributions, one row a sampled
    result and one column a unit, this is ``A^T A``: all that least squares on channels need.

    Source: Luo et al., "ThiNet: A Filter Level Pruning Method for Deep Neural Network
    Compression", ICCV 2017, section 3.2.1, collecting training examples.

    Args:
        coupling: The groups.
        evidence: The weights, and an observer.
        criterion: Its name, for messages.
        samples: Results of every reader sampled for each data point, about.
        seed: Of the sampling.

    Returns:
        ``(units, units)`` by group, zeros where no reader could be looked into; notes on these.

    Raises:
        BadData: There are no data, or nothing is to be sampled.
    """
    if samples < 1:
        raise BadData(f"{criterion}: samples is {samples}", fix="give a positive number")
    watched, rng = watch(coupling, evidence, criterion), np.random.default_rng(seed)
    sums = {group.name: np.zeros((group.units.size,) * 2) for group in coupling}
    owner, place = _places(coupling)
    for product, rate in _products(watched, samples):
        groups = [coupling.groups[i] for i in np.unique(owner[product.ids]) if i >= 0]
        for piece in product.inputs:
            weights, inputs = _sampled(product.weights, piece, rate, rng)
            for group in groups:
                mine = np.isin(product.ids, group.units)
                at = place[product.ids[mine]]
                parts = _added(weights[:, mine] * inputs[:, mine], at, group.units.size)
                sums[group.name] += parts.T @ parts
    return sums, watched.notes


def _places(coupling: Coupling) -> tuple[Ids, Ids]:
    """For every unit the index of its group, -1 without one, and its place in the group."""
    owner, place = np.full(coupling.units + 1, -1), np.zeros(coupling.units + 1, dtype=np.int64)
    for i, group in enumerate(coupling):
        owner[group.units] = i
        place[group.units] = np.arange(group.units.size).reshape(group.units.shape)
    return owner, place


def _products(watched: Watched, samples: int) -> Iterator[tuple[Pieces, float]]:
    """The matrix products of all layers on all data, and the share of positions to look at."""
    for _, readings in watched.first():
        for reading in readings:
            for product in unfold(*reading):
                yield product, min(1.0, samples / reading.reader.patches)


def _sampled(
    weights: Array, piece: Array, rate: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Some positions, and the weights of one random filter for each: ``(samples, E)`` both."""
    columns = np.flatnonzero(rng.random(piece.shape[1]) < rate)
    filters = rng.integers(0, len(weights), len(columns))
    return weights[filters].astype(np.float64), piece[:, columns].T.astype(np.float64)


def _added(parts: Floats, at: Ids, units: int) -> Floats:
    """Contributions of the elements added up by unit, ``(samples, units)``."""
    total = np.zeros((units, len(parts)))
    np.add.at(total, at, parts.T)
    return total.T
