"""The cost of a network as a smooth function of the logarithms of its widths."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphprune.budget import Bounds
from graphprune.cost import CostModel
from graphprune.terms import METRICS, Floats, add_up


class LogCosts(NamedTuple):
    """Logarithms of some costs and their derivatives.

    Attributes:
        values: One a bound, ``(bounds,)``.
        slopes: By the logarithm of every group's width, ``(bounds, groups)``.
    """

    values: Floats
    slopes: Floats


class Smooth:
    """Costs of widths that need not be whole numbers.

    Every cost is a sum of products of dimensions, each of which is a sum of multiples of widths:
    a posynomial, whose logarithm is convex in the logarithms of the widths. Uses of one native
    tensor count once.
    """

    def __init__(self, model: CostModel, bounds: Bounds) -> None:
        """Prepares the costs that are bounded.

        Args:
            model: Cost as a function of the widths.
            bounds: Which costs are of interest.
        """
        terms = model.terms
        self.names = tuple(bounds.limits)
        self.limits = np.log(np.maximum([bounds.limits[name] for name in self.names], 0.5))
        self.base = terms.base
        self.parts = np.zeros((len(terms.base), len(model.widths)))
        where, group, units = terms.slopes
        self.parts[where, group] = units * model.widths[group]
        self.factors = terms.factors.copy()
        self.factors[[later.term for later, _ in terms.twins]] = 0.0
        wanted = np.isin(terms.metrics, [METRICS.index(name) for name in self.names])
        self.factors, self.indices = self.factors[wanted], terms.indices[wanted]
        rows = [self.names.index(METRICS[metric]) for metric in terms.metrics[wanted]]
        self.rows = np.array(rows, dtype=np.int64)

    def log_costs(self, logs: Floats) -> LogCosts:
        """The logarithms of the bounded costs.

        Args:
            logs: Logarithms of the fractions that groups keep of their widths, ``(groups,)``.
        """
        held = self.parts * np.exp(logs)
        dims = self.base + held.sum(axis=1)
        # Dimension 0 is the factor of what has none; an empty dimension costs nothing anyway.
        shares = held / np.where(dims > 0, dims, 1.0)[:, None]
        sizes = self.factors * dims[self.indices].prod(axis=1)
        totals = add_up(sizes, self.rows, len(self.names))
        uses, count = self.indices.shape[1], len(dims)
        at = (self.rows[:, None] * count + self.indices).ravel()
        use = add_up(np.repeat(sizes, uses), at, len(self.names) * count).reshape(-1, count)
        totals = np.maximum(totals, np.finfo(np.float64).tiny)
        return LogCosts(np.log(totals), np.asarray(use @ shares / totals[:, None]))

    def excess(self, logs: Floats) -> float:
        """How far the worst cost lies above its bound, as a logarithm; -inf without bounds."""
        return float((self.log_costs(logs).values - self.limits).max(initial=-np.inf))

    def fitting(self, wanted: Floats, lower: Floats, upper: Floats) -> Floats:
        """The largest common multiple of wished fractions that meets every bound.

        Args:
            wanted: Logarithms of the fractions, ``(groups,)``.
            lower: The least they may be.
            upper: The most they may be.

        Returns:
            Logarithms; the least ones where even these exceed a bound.
        """

        def moved(by: float) -> Floats:
            return np.clip(wanted + by, lower, upper)

        low, high = float((lower - wanted).min()), float((upper - wanted).max())
        if self.excess(moved(high)) <= 0:
            return moved(high)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.excess(moved(middle)) <= 0 else (low, middle)
        return moved(low)
