"""The layer densities whose product is largest, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphprune.passes.allocate.densities import Densities, Limits, named, sizes_of
from graphprune.passes.allocate.layers import SizedLayer
from graphprune.terms import Floats


def precrop(layers: Sequence[SizedLayer], limits: Limits, cap: float = 1.0) -> Densities:
    """The densities whose product is largest.

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549: maximise
    the sum of log p under both bounds. By its optimality conditions a layer of N weights and F
    operations has ``p = min(cap, 1 / (a N + b F))``, with one a and b for all layers.

    Args:
        layers: The layers.
        limits: What they may cost.
        cap: The largest density.
    """
    values = water_filling(*sizes_of(layers), limits, cap)
    return named(layers, values, "precrop")


def water_filling(sizes: Floats, macs: Floats, limits: Limits, cap: float) -> Floats:
    """The maximiser of the sum of log p in closed form, the multipliers by nested roots.

    Args:
        sizes: Weights of every layer, ``(layers,)``.
        macs: Their multiply-accumulates, ``(layers,)``.
        limits: What they may cost.
        cap: The largest density.

    Returns:
        ``(layers,)``.
    """
    count = len(sizes)

    def densities(a: float, b: float) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(cap, 1 / (a * sizes + b * macs)))

    def by_weights(b: float) -> Floats:
        """The densities where operations have a price, and weights the one that they need."""
        return densities(
            _root(
                lambda a: float(sizes @ densities(a, b)) - limits.weights, count / limits.weights
            ),
            b,
        )

    price = _root(lambda b: float(macs @ by_weights(b)) - limits.macs, count / limits.macs)
    return by_weights(price)


def _root(excess: Callable[[float], float], high: float) -> float:
    """The least price at which a falling excess is gone, 0 where there is none."""
    # Importing it takes longer than most commands do: only who needs it waits.
    from scipy.optimize import brentq

    if high == 0 or excess(0.0) <= 0:
        return 0.0
    high *= 1 + 1e-12
    if excess(high) >= 0:
        return high
    return float(brentq(excess, 0.0, high, xtol=1e-16 * high, rtol=1e-14, maxiter=500))
