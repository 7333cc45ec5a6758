"""SynExp: the synaptic flow that is expected of a network whose weights are masked at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData
from graphprune.ir import Graph
from graphprune.passes.linearise.flow import flow
from graphprune.passes.linearise.weights import weights
from graphprune.terms import Floats


@dataclass(frozen=True, eq=False)
class SynExp:
    """The expected synaptic flow of a network at given layer densities.

    Layers go by the native names of their weights. Those of gates, which are bypassed, are none.

    Attributes:
        log: The natural logarithm of the expectation, -inf where nothing flows.
        densities: What fraction of its weights every layer keeps.
        magnitudes: The mean magnitude of every layer's weights.
        shares: The derivative of :attr:`log` by the logarithm of every density: the share of the
            flow that passes through the layer, 1 where all of it does.
    """

    log: float
    densities: Mapping[str, float]
    magnitudes: Mapping[str, float]
    shares: Mapping[str, float]

    @property
    def value(self) -> float:
        """The expectation itself; inf where it leaves the range of floating-point numbers."""
        with np.errstate(over="ignore"):
            return float(np.exp(self.log))

    @property
    def objective(self) -> float:
        """The sum of the logarithms of the densities, which is what ``log`` loses on a chain."""
        with np.errstate(divide="ignore"):
            return float(np.log(list(self.densities.values())).sum())

    @property
    def slopes(self) -> dict[str, float]:
        """The derivative of :attr:`log` by every density; inf at density 0."""
        return {
            name: share / density if (density := self.densities[name]) else float("inf")
            for name, share in self.shares.items()
        }


def expectation(
    graph: Graph,
    contents: Callable[[str], NDArray[np.generic]],
    densities: Mapping[str, float] | None = None,
    *,
    exact: bool = False,
) -> SynExp:
    """Runs a network with every weight replaced by density times mean magnitude.

    If masks are independent of the weights and of other layers' masks, that is the expectation
    of the synaptic flow over both, whether single weights, filters or channels are masked: every
    path uses a layer once. A tensor that is used twice along a path breaks that.

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549.

    Args:
        graph: The network; it may join, gate and group its layers as it likes.
        contents: Maps the name of a parameter value to its contents.
        densities: The fraction of its weights that a layer keeps, by the native name of the
            weight; 1 where left out.
        exact: Take every weight's own magnitude rather than the layer's mean: the expectation
            over masks alone.

    Raises:
        BadData: A density is negative or of no layer, or the flow leaves the range of float64.
        UnsupportedModel: An operation has no linear counterpart; the message names it.
    """
    params = dict.fromkeys(weight.param for weight in weights(graph) if not weight.gated)
    names = {param: graph.values[param].source or param for param in params}
    chosen = _checked(names.values(), densities or {})
    magnitudes, given = {}, {}
    for param, name in names.items():
        size = np.abs(np.asarray(contents(param), dtype=np.float64))
        magnitudes[name] = float(size.mean())
        given[param] = chosen[name] * (size if exact else np.full(size.shape, magnitudes[name]))
    total, shares = _shared(graph, given, names)
    log = float(np.log(total)) if total > 0 else -np.inf
    return SynExp(log, chosen, magnitudes, shares)


def _shared(
    graph: Graph, given: Mapping[str, Floats], names: Mapping[str, str]
) -> tuple[float, dict[str, float]]:
    """The flow, and the share of it that passes through every layer."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = flow(graph, given)
        total, gradients = found.total, found.gradients()
    if not np.isfinite(total):
        raise BadData(
            "the expected flow leaves the range of float64",
            why="the products of weights along the paths through the network are too large",
            fix="scale the weights down",
        )
    shares = dict.fromkeys(names.values(), 0.0)
    for param, name in names.items():
        if total > 0 and param in gradients:
            shares[name] += float((gradients[param] * given[param]).sum() / total)
    return total, shares


def _checked(names: Iterable[str], densities: Mapping[str, float]) -> dict[str, float]:
    """The densities of all layers.

    Raises:
        BadData: One is negative, or of no layer.
    """
    known = dict.fromkeys(names, 1.0)
    for name, density in densities.items():
        if name not in known:
            raise BadData(
                f"there is no layer with a weight called '{name}'",
                fix=f"its layers are: {', '.join(known)}",
            )
        if not 0 <= density < np.inf:
            raise BadData(f"the density of '{name}' is {density}", fix="give 0, 1 or in between")
    return {name: float(densities.get(name, 1.0)) for name in known}
