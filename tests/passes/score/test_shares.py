"""Shares of channels in sums, against loops over every summand."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.passes.score.shares import TINY, Elements, raise_shares


def by_loops(weights: np.ndarray, inputs: np.ndarray, ids: np.ndarray, edge: bool) -> np.ndarray:
    """The largest shares by unit, summand by summand."""
    largest = np.zeros(ids.max() + 1)
    for sign_w in (1, -1):
        for sign_a in (1, -1):
            w, a = np.maximum(sign_w * weights, 0), np.maximum(sign_a * inputs, 0)
            for o in range(len(weights)):
                for p in range(inputs.shape[1]):
                    parts = w[o].astype(np.float64) * a[:, p]
                    total = parts.sum()
                    for unit in set(ids.tolist()) if total > TINY else ():
                        mine = parts[ids == unit]
                        share = (mine.max() if edge else mine.sum()) / total
                        largest[unit] = max(largest[unit], share)
    largest[0] = 0
    return largest


def found(
    weights: np.ndarray, inputs: np.ndarray, ids: np.ndarray, edge: bool = False
) -> np.ndarray:
    largest = np.zeros(ids.max() + 1)
    raise_shares(largest, weights, inputs, Elements.of(ids), edge=edge)
    return largest


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize(
    "ids", [[1, 2, 3, 4, 5, 6], [2, 1, 1, 2, 3, 3], [0, 1, 1, 0, 2, 1]], ids=str
)
def test_shares_equal_those_of_every_single_summand(ids: list[int], edge: bool) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((4, 6)).astype(np.float32)
    inputs = rng.standard_normal((6, 9)).astype(np.float32)
    units = np.array(ids)
    expected = by_loops(weights, inputs, units, edge)
    np.testing.assert_allclose(found(weights, inputs, units, edge), expected, atol=1e-6)


def test_a_channel_never_counts_less_than_its_largest_edge_nor_more_than_all() -> None:
    rng = np.random.default_rng(1)
    weights, inputs = rng.standard_normal((5, 12)), rng.standard_normal((12, 40))
    ids = np.repeat(np.arange(1, 5), 3)
    channel, edge = found(weights, inputs, ids), found(weights, inputs, ids, edge=True)
    assert (edge <= channel + 1e-12).all()
    assert (channel <= 3 * edge + 1e-12).all()
    assert (channel <= 1 + 1e-12).all()


def test_a_sum_of_nothing_has_no_shares() -> None:
    weights, inputs = np.array([[1.0, 0.0], [TINY / 2, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(found(weights, inputs, np.array([1, 2])), [0, 1, 0])
    assert found(weights[1:], inputs, np.array([1, 2])).max() == 0


def test_earlier_shares_are_kept_where_they_are_larger() -> None:
    largest = np.array([0.0, 0.9, 0.1])
    elements = Elements.of(np.array([1, 2]))
    raise_shares(largest, np.ones((1, 2)), np.ones((2, 1)), elements)
    np.testing.assert_allclose(largest, [0, 0.9, 0.5])


def test_large_layers_are_worked_on_in_blocks() -> None:
    rng = np.random.default_rng(2)
    weights, inputs = rng.standard_normal((300, 8)), rng.standard_normal((8, 700))
    ids = np.repeat(np.arange(1, 5), 2)
    sums = [np.maximum(s * weights, 0) for s in (1, -1)]
    expected = np.zeros(5)
    for w in sums:
        for a in (np.maximum(inputs, 0), np.maximum(-inputs, 0)):
            shares = (w[:, :, None] * a[None]).reshape(300, 4, 2, 700).sum(axis=2)
            shares /= np.maximum((w @ a)[:, None, :], TINY)
            expected[1:] = np.maximum(expected[1:], shares.max(axis=(0, 2)))
    np.testing.assert_allclose(found(weights, inputs, ids), expected, atol=1e-9)


def test_what_is_not_finite_has_no_shares_that_could_be_ranked() -> None:
    for number in (np.nan, np.inf):
        inputs = np.array([[number], [1.0]])
        with np.errstate(invalid="ignore"):
            assert np.isnan(found(np.ones((1, 2)), inputs, np.array([1, 2]))).any()
