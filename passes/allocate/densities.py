"""Densities: what fraction of its weights every layer keeps, by several rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.passes.allocate.layers import SizedLayer
from graphprune.passes.allocate.problem import Problem
from graphprune.terms import Floats

_HALVINGS = 100


@dataclass(frozen=True, eq=False)
class Densities:
    """What fraction of its weights every layer keeps.

    Attributes:
        values: By the native name of the weight, from 0 to 1; above 1 where a layer is to grow.
        method: The rule that gave them.
        weights: How many weights every layer has, by the same names.
    """

    values: Mapping[str, float]
    method: str
    weights: Mapping[str, int]

    @property
    def objective(self) -> float:
        """The sum of their logarithms, minus infinity where a layer keeps nothing."""
        with np.errstate(divide="ignore"):
            return float(np.log(list(self.values.values())).sum())

    @property
    def kept(self) -> float:
        """The fraction of all weights that is kept."""
        total = sum(self.weights.values())
        return sum(self.values[name] * n for name, n in self.weights.items()) / max(1, total)


@dataclass(frozen=True)
class Limits:
    """What densities may cost; inf for no bound.

    Attributes:
        weights: Most weights of all layers.
        macs: Most multiply-accumulates of all layers, those by zeros not counted.
    """

    weights: float = np.inf
    macs: float = np.inf

    @classmethod
    def of(cls, layers: Sequence[SizedLayer], budget: Budget) -> Limits:
        """A budget against the layers: ``params`` bounds weights alone, neither biases nor norms.

        Args:
            layers: The layers.
            budget: Fractions of what the layers have, or absolute numbers.

        Raises:
            BadData: The budget bounds what masks do not change.
        """
        other = sorted(set(budget.to_dict()) - {"params", "macs"})
        if other:
            raise BadData(
                f"densities cannot be bounded by '{other[0]}'",
                why="a mask changes neither the shapes nor the memory of activations",
                fix="bound params, macs or both",
            )
        totals = {"params": [x.weights for x in layers], "macs": [x.macs for x in layers]}
        bounds = [
            np.inf if bound is None else bound * (sum(totals[name]) if bound <= 1 else 1)
            for name, bound in (("params", budget.params), ("macs", budget.macs))
        ]
        return cls(*bounds)

    @classmethod
    def within(cls, problem: Problem, layers: Sequence[SizedLayer]) -> Limits:
        """The bounds of a whole network as the same fractions of its layers.

        Args:
            problem: Choices and bounds.
            layers: The layers of its network.
        """
        sizes, macs = sizes_of(layers)
        bounds, full = problem.bounds, problem.model.full
        share = [
            np.inf if bound is None else bound / max(1, whole)
            for bound, whole in ((bounds.params, full.params), (bounds.macs, full.macs))
        ]
        return cls(share[0] * float(sizes.sum()), share[1] * float(macs.sum()))

    def hold(self, layers: Sequence[SizedLayer], values: Floats) -> bool:
        """Whether densities meet both bounds.

        Args:
            layers: The layers.
            values: One a layer.
        """
        sizes, macs = sizes_of(layers)
        slack = 1 + 1e-12
        return bool(sizes @ values <= self.weights * slack and macs @ values <= self.macs * slack)


def uniform(layers: Sequence[SizedLayer], limits: Limits) -> Densities:
    """One density for all layers.

    Args:
        layers: The layers.
        limits: What they may cost.
    """
    return scaled(layers, np.ones(len(layers)), limits, "uniform")


def scaled(layers: Sequence[SizedLayer], raw: Floats, limits: Limits, method: str) -> Densities:
    """The largest common multiple, cut off at 1, that meets the bounds.

    Args:
        layers: The layers.
        raw: What densities are proportional to, ``(layers,)``.
        limits: What they may cost.
        method: The rule.
    """
    low, high = np.log(1e-12 / raw.max()), np.log(1 / raw.min())
    if limits.hold(layers, np.ones(len(raw))):
        low = high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        holds = limits.hold(layers, np.minimum(1, np.exp(middle) * raw))
        low, high = (middle, high) if holds else (low, middle)
    return named(layers, np.minimum(1, np.exp(low) * raw), method)


def sizes_of(layers: Sequence[SizedLayer]) -> tuple[Floats, Floats]:
    """Weights and multiply-accumulates of every layer, ``(layers,)`` each.

    Args:
        layers: The layers.
    """
    pairs = np.array([(layer.weights, layer.macs) for layer in layers], dtype=np.float64)
    return pairs[:, 0], pairs[:, 1]


def named(layers: Sequence[SizedLayer], values: Floats, method: str) -> Densities:
    """Densities by the names of the layers.

    Args:
        layers: The layers.
        values: One a layer.
        method: The rule that gave them.
    """
    names = [layer.name for layer in layers]
    sizes = {layer.name: layer.weights for layer in layers}
    return Densities(dict(zip(names, values.tolist(), strict=True)), method, sizes)
