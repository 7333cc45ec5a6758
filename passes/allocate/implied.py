"""The layer densities that scores of single weights imply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData, InfeasibleBudget
from graphprune.evidence import Evidence
from graphprune.ir import Graph
from graphprune.passes.allocate.densities import Densities, Limits, named
from graphprune.passes.allocate.layers import SizedLayer
from graphprune.passes.linearise import weights
from graphprune.terms import Floats


def implied(
    layers: Sequence[SizedLayer],
    scores: Mapping[str, NDArray[np.generic]],
    limits: Limits,
    method: str,
) -> Densities:
    """What one threshold on the scores of single weights leaves of every layer.

    Args:
        layers: The layers.
        scores: Of every weight, by the native name of the tensor.
        limits: What they may cost.
        method: What the scores are.

    Raises:
        InfeasibleBudget: The bounds leave no weight at all.
    """
    ranked = [np.sort(np.asarray(scores[layer.name], dtype=np.float64).ravel()) for layer in layers]
    thresholds = np.unique(np.concatenate(ranked))

    def above(i: int) -> Floats:
        left = [len(r) - np.searchsorted(r, thresholds[i], side="left") for r in ranked]
        return np.asarray(np.array(left) / np.array([len(r) for r in ranked]))

    low, high = 0, len(thresholds)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if limits.hold(layers, above(middle)) else (middle + 1, high)
    if low == len(thresholds):
        raise InfeasibleBudget(
            f"no threshold on the scores of '{method}' meets the budget",
            why="the weights that score most are more than it allows",
            fix="allow more weights",
        )
    return named(layers, above(low), method)


def trained_weights(graph: Graph, evidence: Evidence, method: str) -> dict[str, str]:
    """The weights of all layers, for rules that need the gradient of every one.

    Args:
        graph: The network.
        evidence: Knows what training changes.
        method: Name of the rule.

    Returns:
        The name in the graph by the native name of the tensor; one where several uses share it.

    Raises:
        BadData: There are no data, or training would not change a weight.
    """
    observer = evidence.observed(method)
    first: dict[str, str] = {}
    for weight in weights(graph):
        first.setdefault(graph.values[weight.param].source or weight.param, weight.param)
    fixed = [source for source, name in first.items() if name not in observer.learnable]
    if fixed:
        raise BadData(
            f"'{method}' needs the gradient of every weight",
            where=fixed[0],
            why="training would not change it",
            fix="choose allocation 'synflow-density', which needs no gradients",
        )
    return first


def products(
    names: Mapping[str, str], evidence: Evidence, factors: Mapping[str, NDArray[np.generic]]
) -> dict[str, Floats]:
    """Every weight times a number of its own, by the native name of the tensor.

    Args:
        names: What :func:`trained_weights` gave.
        evidence: The weights.
        factors: Arrays of the weights' shapes, by the name in the graph.
    """
    return {
        source: np.multiply(factors[name], evidence(name), dtype=np.float64)
        for source, name in names.items()
    }
