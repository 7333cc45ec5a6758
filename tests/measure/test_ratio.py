"""Estimates of log ratios drawn from known distributions."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.measure.ratio import Verdict, drift, estimate, noise_within, verdict, winsorized


def test_outliers_are_drawn_in_and_nothing_else_is_moved() -> None:
    ratios = np.array([-0.02, -0.01, 0.0, 0.01, 5.0])
    assert winsorized(ratios).tolist() == [-0.02, -0.01, 0.0, 0.01, 0.05]


def test_equal_rounds_are_exact() -> None:
    rng = np.random.default_rng(0)
    assert estimate(np.full(7, np.log(2.0)), 0.95, 100, rng) == (np.log(2.0), 0.0)


@pytest.mark.parametrize("rounds", [6, 30])
@pytest.mark.parametrize("spikes", [0.0, 0.1])
def test_the_interval_covers_the_truth(rounds: int, spikes: float) -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        ratios = 0.3 + 0.05 * rng.standard_normal(rounds)
        ratios += (rng.random(rounds) < spikes) * rng.choice([-1.0, 1.0], rounds)
        center, half = estimate(ratios, 0.95, 500, rng)
        covered += abs(center - 0.3) <= half
    # 190 of 200 are expected; 180 or fewer have a probability of 0.2 %.
    assert covered >= 180


def test_the_estimate_is_sharper_than_a_median() -> None:
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((300, 40))
    means = [estimate(row, 0.95, 10, rng)[0] for row in draws]
    assert np.std(means) < 0.9 * np.std(np.median(draws, axis=1))


def test_noise_within_is_that_of_the_blocks() -> None:
    rng = np.random.default_rng(3)
    assert noise_within(np.zeros(12), 0.95, 200, rng) == 0.0
    calm = noise_within(0.001 * rng.standard_normal(40), 0.95, 200, rng)
    loud = noise_within(0.1 * rng.standard_normal(40), 0.95, 200, rng)
    assert 50 < loud / calm < 200


def test_drift_compares_halves() -> None:
    assert drift(np.log([1.0, 1.0, 1.2, 1.2])) == pytest.approx(0.2)
    assert drift(np.log([1.0, 1.0, 9.0, 1.0, 1.0, 1.0])) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("center", "half", "expected"),
    [
        (0.1, 0.05, "faster"),
        (-0.1, 0.05, "slower"),
        (0.005, 0.01, "same"),
        (0.005, 0.1, "inconclusive"),
        (0.1, 0.2, "inconclusive"),
    ],
)
def test_verdicts(center: float, half: float, expected: Verdict) -> None:
    assert verdict(center, half, same_within=0.02) == expected
