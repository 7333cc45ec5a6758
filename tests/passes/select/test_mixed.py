"""Some channels for certain, the others sampled."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.passes.couple import couple
from graphprune.passes.select import select
from graphprune.scores import Scores, Selection, Widths
from graphprune.terms import Floats
from tests.networks import chain

COUPLING = couple(chain(12, 4).graph)
ROW = COUPLING.groups[0].units[0]


def chosen(values: Floats, width: int, seed: int = 0) -> Selection:
    scores = Scores({"g1": values[None, :], "g2": np.ones((1, 4))}, "pfp")
    return select("mixed", COUPLING, scores, Widths({"g1": width, "g2": 4}), seed)


def factors(selection: Selection) -> Floats:
    assert selection.factors is not None
    return np.asarray(selection.factors[ROW] * selection.alive[ROW])


SKEWED = np.array([0.9, 0.8, 0.7] + [0.02] * 9)


def test_units_that_draws_would_meet_almost_surely_are_kept_as_they_are() -> None:
    """Four of twelve: m' = 10 draws, of which three units get one or more on average."""
    for seed in range(20):
        found = factors(chosen(SKEWED, 4, seed))
        assert found[:3].tolist() == [1.0, 1.0, 1.0]
        # What is left of the sensitivities is even, and one draw is made.
        assert sorted(found[3:].tolist())[-1] == pytest.approx(9.0)
        assert np.count_nonzero(found[3:]) == 1


def test_sums_are_right_on_average() -> None:
    rng = np.random.default_rng(0)
    weights, values = rng.standard_normal((6, 12)), rng.random(12) ** 3
    found = np.array([weights @ factors(chosen(values, 6, seed)) for seed in range(1500)])
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - weights.sum(axis=1)) < 4 * error).all()


def test_sums_vary_less_than_where_all_are_sampled() -> None:
    weights = np.random.default_rng(0).standard_normal((6, 12))
    scores = Scores({"g1": SKEWED[None, :], "g2": np.ones((1, 4))}, "pfp")
    spread = {}
    for name in ("mixed", "sample"):
        found = [
            weights @ factors(select(name, COUPLING, scores, Widths({"g1": 5, "g2": 4}), seed))
            for seed in range(500)
        ]
        spread[name] = float(np.std(found, axis=0).mean())
    assert spread["mixed"] < spread["sample"]


def test_where_the_certain_ones_leave_no_room_the_others_are_gone() -> None:
    even = np.full(12, 0.5)
    found = chosen(even, 11)
    assert found.factors is None
    assert np.flatnonzero(found.alive[ROW]).tolist() == list(range(11))
