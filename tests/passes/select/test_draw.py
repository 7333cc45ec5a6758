"""Draws with replacement: as many as are wanted, never too many different ones, no bias."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.passes.allocate.pfp import expected_units
from graphprune.passes.select.draw import _stopped, chances, draw, draws_for
from graphprune.terms import Floats

SEEDS = st.integers(0, 2**31)


def shares(count: int, seed: int, power: float = 3) -> Floats:
    return chances(np.random.default_rng(seed).random(count) ** power)


def test_chances_are_parts_of_the_sum() -> None:
    assert chances(np.array([1.0, 3.0, 0.0])).tolist() == [0.25, 0.75, 0.0]
    assert chances(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_chances_below_rounding_are_none() -> None:
    assert chances(np.array([1.0, 1e-17])).tolist() == [1.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), SEEDS, st.data())
def test_the_number_of_draws_is_the_smallest_that_is_expected_to_suffice(
    count: int, seed: int, data: st.DataObject
) -> None:
    probabilities = shares(count, seed)
    wanted = data.draw(st.integers(1, int(np.count_nonzero(probabilities))))
    number = draws_for(probabilities, wanted)
    slack = 1e-9
    assert np.ceil(expected_units(probabilities, number) - slack) >= wanted
    assert number == 1 or np.ceil(expected_units(probabilities, number - 1) - slack) < wanted


def test_one_draw_meets_one_unit() -> None:
    assert draws_for(shares(5, 0), 1) == 1


def test_units_that_are_hardly_ever_drawn_need_billions_of_draws() -> None:
    probabilities = chances(np.array([1.0, 1e-12, 1e-12]))
    number = draws_for(probabilities, 3)
    assert number > 1e11
    found = draw(probabilities, 2, np.random.default_rng(0))
    assert np.count_nonzero(found.factors) <= 2


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 30), SEEDS, st.data())
def test_never_are_too_many_different_units_drawn(
    count: int, seed: int, data: st.DataObject
) -> None:
    probabilities = shares(count, seed)
    probabilities[0] = 0
    probabilities = chances(probabilities)
    most = data.draw(st.integers(1, int(np.count_nonzero(probabilities))))
    found = draw(probabilities, most, np.random.default_rng(seed))
    assert 1 <= np.count_nonzero(found.factors) <= most
    assert 1 <= found.number <= found.limit == draws_for(probabilities, most)
    assert found.factors[0] == 0
    counts = found.factors * found.number * probabilities
    assert counts == pytest.approx(counts.round(), abs=1e-6)
    assert counts.sum() == pytest.approx(found.number)


def test_drawing_that_ends_early_has_met_as_many_as_it_may() -> None:
    probabilities, rng = shares(20, 1), np.random.default_rng(1)
    early = [d for d in (draw(probabilities, 8, rng) for _ in range(200)) if d.number < d.limit]
    assert len(early) > 20
    assert {np.count_nonzero(d.factors) for d in early} == {8}


@pytest.mark.parametrize(("most", "early"), [(1, 0.0), (5, 0.05), (9, 0.02)])
def test_factors_are_1_on_average_although_drawing_may_end_early(most: int, early: float) -> None:
    """Within four standard errors."""
    probabilities, rng = shares(10, 2, power=1.5), np.random.default_rng(2)
    found = [draw(probabilities, most, rng) for _ in range(8000)]
    factors = np.array([d.factors for d in found])
    error = factors.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(factors.mean(axis=0) - 1) < 4 * error).all()
    assert np.mean([d.number < d.limit for d in found]) >= early


def test_factors_are_1_on_average_where_drawing_nearly_always_ends_early() -> None:
    probabilities, rng = shares(10, 2, power=1.5), np.random.default_rng(5)
    counts = np.array([_stopped(rng.multinomial(60, probabilities), 5, rng) for _ in range(8000)])
    numbers = counts.sum(axis=1, keepdims=True)
    assert np.mean(numbers < 60) > 0.99
    factors = counts / (numbers * probabilities)
    error = factors.std(axis=0) / np.sqrt(len(counts))
    assert (np.abs(factors.mean(axis=0) - 1) < 4 * error).all()


def test_counting_all_draws_of_what_was_met_first_would_be_biased() -> None:
    """Why drawing ends: keeping the first units met with the counts of all draws favours them."""
    probabilities, rng, most = shares(10, 2, power=1.5), np.random.default_rng(3), 5
    number, total = draws_for(probabilities, most), np.zeros(10)
    for _ in range(4000):
        order = rng.choice(10, number, p=probabilities)
        counts = np.bincount(order, minlength=10)
        first = list(dict.fromkeys(order.tolist()))[:most]
        total[first] += counts[first] / (number * probabilities[first])
    assert (total / 4000).min() < 0.9


def test_early_ends_are_those_of_draws_one_by_one() -> None:
    """The same law as that of a loop over single draws, which would be too slow."""
    probabilities, most = shares(8, 5, power=1), 4
    limit, rng = draws_for(probabilities, most), np.random.default_rng(4)

    def one_by_one() -> int:
        met: set[int] = set()
        for i, unit in enumerate(rng.choice(8, limit, p=probabilities).tolist()):
            met.add(unit)
            if len(met) > most:
                return i
        return limit

    numbers = [draw(probabilities, most, rng).number for _ in range(5000)]
    wanted = [one_by_one() for _ in range(5000)]
    for number in range(1, limit + 1):
        p, q = (np.mean(np.array(x) == number) for x in (numbers, wanted))
        assert abs(p - q) < 4 * np.sqrt((p + q) / 5000) + 1e-9
