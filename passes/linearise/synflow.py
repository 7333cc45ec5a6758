"""SynFlow: scores of single weights that need no data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from graphprune.ir import Graph
from graphprune.passes.linearise.flow import flow
from graphprune.passes.linearise.weights import weights
from graphprune.terms import Floats

_SAMPLE = 1 << 14


def synflow(
    graph: Graph,
    contents: Callable[[str], NDArray[np.generic]],
    *,
    keep: float,
    rounds: int = 100,
) -> dict[str, Floats]:
    """Scores every weight while fewer and fewer of them are kept.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving
    synaptic flow", NeurIPS 2020, algorithm 1: in round r of n the ``keep ** (r / n)`` of the
    weights that score most stay, by ``|w|`` times the derivative by it of the linearised result.

    Args:
        graph: The network.
        contents: Maps the name of a parameter value to its contents.
        keep: The fraction of weights that is kept after the last round.
        rounds: The number of rounds.

    Returns:
        The scores of the last round by the native names of the weights outside gates, 0 for those
        removed before; uses of one native tensor add up.

    Raises:
        UnsupportedModel: An operation has no linear counterpart; the message names it.
    """
    names = dict.fromkeys(weight.param for weight in weights(graph) if not weight.gated)
    sources = {name: graph.values[name].source or name for name in names}
    kept = {name: np.abs(np.asarray(contents(name), dtype=np.float64)) for name in names}
    scores = _scores(graph, kept, sources)
    for i in range(1, rounds):
        threshold = _threshold(scores, keep ** (i / rounds))
        for name in names:
            if scores[sources[name]].shape == kept[name].shape:
                kept[name] = np.where(scores[sources[name]] >= threshold, kept[name], 0.0)
        scores = _scores(graph, kept, sources)
    return scores


def _scores(
    graph: Graph, kept: Mapping[str, Floats], sources: Mapping[str, str]
) -> dict[str, Floats]:
    # Products are many and small: threads would spend their time waiting for each other.
    with threadpool_limits(1, "blas"):
        gradients = flow(graph, kept).gradients()
    found: dict[str, Floats] = {}
    for name, weight in kept.items():
        score = weight * gradients.get(name, 0.0)
        before = found.get(sources[name])
        if before is None or before.shape == score.shape:
            found[sources[name]] = score if before is None else before + score
    return found


def _threshold(scores: Mapping[str, Floats], keep: float) -> float:
    """The score of the last weight that stays."""
    every = np.concatenate([score.ravel() for score in scores.values()])
    last = min(len(every) - 1, int((1 - keep) * len(every)))
    # Weights that no longer carry anything are not kept for company.
    return max(_smallest(every, last), np.finfo(np.float64).tiny)


def _smallest(values: Floats, rank: int) -> float:
    """The value of a rank among millions: a sample says between which two it must lie."""
    sample = np.sort(values[:: max(1, len(values) // _SAMPLE)])
    at, margin = rank * len(sample) // len(values), 4 * int(np.sqrt(len(sample)))
    if margin < at < len(sample) - margin:
        low, high = sample[at - margin], sample[at + margin]
        between = values[(values >= low) & (values <= high)]
        rank_between = rank - int(np.count_nonzero(values < low))
        if 0 <= rank_between < len(between):
            return float(np.partition(between, rank_between)[rank_between])
    return float(np.partition(values, rank)[rank])
