"""Draws with replacement that give so many different units and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Ids
from graphprune.passes.allocate.pfp import expected_units
from graphprune.terms import Floats

# Probabilities below are none.
_NOTHING = float(np.finfo(np.float64).eps)
_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Draws:
    """Units drawn with replacement.

    Attributes:
        factors: Count over expected count of every unit, ``(units,)``; its expectation is 1 for
            every unit that can be drawn.
        number: How many draws were made, ``T``.
        limit: How many would have been, had they not met too many different units: ``m'``.
    """

    factors: Floats
    number: int
    limit: int


def chances(sensitivities: Floats) -> Floats:
    """The probability of each unit in one draw: its part of the sum.

    Args:
        sensitivities: None is negative. What is less than rounding of the sum counts as 0.

    Returns:
        They add up to 1, or are all 0 where there is no sensitivity at all.
    """
    total = sensitivities.sum()
    shares = sensitivities / total if total > 0 else np.zeros_like(sensitivities)
    shares = np.where(shares > _NOTHING, shares, 0.0)
    return shares / (shares.sum() or 1.0)


def draws_for(probabilities: Floats, wanted: int) -> int:
    """The smallest number of draws ``m'`` with ``ceil(sum of 1 - (1 - p)^m') >= wanted``.

    Args:
        probabilities: They add up to 1.
        wanted: How many different units are expected; no more than can be drawn.
    """

    def few(number: int) -> bool:
        return expected_units(probabilities, number) <= wanted - 1 + _SLACK

    high = 1
    while few(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if few(middle) else (low, middle)
    return high


def draw(probabilities: Floats, most: int, rng: np.random.Generator) -> Draws:
    """Draws ``m'`` units one after the other, but stops before one too many is met.

    ``m'`` is what :func:`draws_for` says, so that ``most`` different units are expected. Their
    number is random and a width is not: drawing ends before the draw that would meet the first
    unit beyond ``most``, after ``T <= m'`` draws, and a unit's factor is ``count / (T p)``.

    That leaves the factors unbiased. Whether drawing goes on is decided by the set of units met
    so far, so given T and the counts every order of the draws is equally likely; hence ``count /
    T`` is the conditional probability that the first draw was that unit, and its mean is ``p``.

    Args:
        probabilities: They add up to 1.
        most: Different units, at least 1; no more than can be drawn.
        rng: Source of randomness.
    """
    limit = draws_for(probabilities, most)
    counts = _stopped(rng.multinomial(limit, probabilities), most, rng)
    number = int(counts.sum())
    expected = np.where(probabilities > 0, number * probabilities, 1.0)
    return Draws(counts / expected, number, limit)


def _stopped(counts: Ids, most: int, rng: np.random.Generator) -> Ids:
    """The counts of all draws before the one that meets a unit too many.

    Every draw has a time, uniform and independent, which puts the draws in an order that is
    uniform too. Periods are halved until one holds that very draw alone; how many of its draws
    fall into the first half of a period is binomial. Millions of draws need a few steps.

    Args:
        counts: How often each unit was drawn in all.
        most: Different units.
        rng: Source of randomness.
    """
    if np.count_nonzero(counts) <= most:
        return counts
    before, period = np.zeros_like(counts), counts
    while period.sum() > 1:
        first = rng.binomial(period, 0.5)
        if np.count_nonzero(before + first) > most:
            period = first
        else:
            before, period = before + first, period - first
    return before
