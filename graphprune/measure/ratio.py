"""The ratio of two durations that were measured in turns, and how far it can be trusted.

Everything is in logarithms: a ratio and its inverse are then equally far from "the same".
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Floats = npt.NDArray[np.float64]
Verdict = Literal["faster", "slower", "same", "inconclusive"]

_OUTLYING = 5.0
"""Median absolute deviations from the median beyond which a round is drawn in."""


def winsorized(ratios: Floats) -> Floats:
    """Draws outliers in to five median absolute deviations from the median.

    One round in which something else ran then weighs no more than any other distant one, and
    the mean of the rest keeps its efficiency, which a median would give away.

    Args:
        ratios: One log ratio a round.
    """
    middle = np.median(ratios)
    reach = _OUTLYING * np.median(np.abs(ratios - middle))
    drawn: Floats = np.clip(ratios, middle - reach, middle + reach)
    return drawn


def estimate(
    ratios: Floats, confidence: float, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Returns the mean of winsorised log ratios and the half width of its interval.

    The standard error comes from a circular block bootstrap (Politis and Romano, "A circular
    block-resampling procedure for stationary data", 1992), which keeps the correlation of
    neighbouring rounds; the quantile is Student's with one degree of freedom fewer than there are
    blocks.

    Args:
        ratios: One log ratio a round, in the order of the rounds.
        confidence: Level of the interval.
        resamples: Resamples of the bootstrap.
        rng: Draws them.
    """
    # Around the middle, so that equal rounds give their ratio without any rounding.
    middle = float(np.median(ratios))
    drawn = winsorized(ratios) - middle
    rounds = len(drawn)
    length = round(rounds ** (1 / 3))
    starts = rng.integers(0, rounds, (resamples, -(-rounds // length)))
    index = (starts[:, :, None] + np.arange(length)) % rounds
    resampled = drawn[index.reshape(resamples, -1)[:, :rounds]]
    error = float(resampled.mean(axis=1).std()) * math.sqrt(rounds / (rounds - 1))
    freedom = max(2, rounds // length - 1)
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    return middle + float(drawn.mean()), half


def noise_within(
    log_a: Floats, confidence: float, resamples: int, rng: np.random.Generator
) -> float:
    """Returns what comparing one half of A's blocks with the other would show.

    Blocks are paired with their neighbours, as A and B are; which of a pair belongs to which half
    is drawn again and again, and the figure is the quantile of the absolute mean log ratio.

    Args:
        log_a: Logarithm of the duration of each block of A, in order.
        confidence: The quantile.
        resamples: How often halves are drawn.
        rng: Draws them.
    """
    pairs = len(log_a) // 2
    steps = winsorized(log_a[0 : 2 * pairs : 2] - log_a[1 : 2 * pairs : 2])
    signs = rng.choice(np.array([-1.0, 1.0]), (resamples, pairs))
    halves = np.abs((signs * steps).mean(axis=1))
    return float(np.quantile(halves, confidence))


def drift(log_a: Floats) -> float:
    """Returns by how much A slowed down from the first half of its blocks to the second."""
    half = len(log_a) // 2
    return math.expm1(float(np.median(log_a[half:]) - np.median(log_a[:half])))


def verdict(center: float, half: float, same_within: float) -> Verdict:
    """Says what may be claimed.

    Args:
        center: The log ratio; above 0, B is faster.
        half: Half width of its interval, already widened by the noise.
        same_within: The fraction around 1 within which two are the same.
    """
    if abs(center) > half:
        return "faster" if center > 0 else "slower"
    if abs(center) + half <= math.log1p(same_within):
        return "same"
    return "inconclusive"
