"""Sparse regression on contributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from graphprune.errors import BadData
from graphprune.passes.score.lasso import _descend, _taken_up
from tests.onnxtext import model
from tests.passes.score.measured import scored
from tests.passes.score.test_contributions import LINEAR


def parts_of(seed: int, channels: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((60, channels)) * rng.uniform(0.2, 3, channels)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_coefficients_minimise_the_penalised_error(share: float) -> None:
    parts = parts_of(0)
    results = parts.sum(axis=1)
    penalty = share * float(np.abs(parts.T @ results).max())
    beta = _descend(parts.T @ parts, parts.T @ results, np.zeros(5), penalty)

    def loss(split: np.ndarray) -> float:  # positive and negative parts: smooth
        error = parts @ (split[:5] - split[5:]) - results
        return float(error @ error / 2 + penalty * split.sum())

    best = minimize(loss, np.full(10, 0.1), bounds=[(0, None)] * 10, options={"maxiter": 5000})
    np.testing.assert_allclose(beta, best.x[:5] - best.x[5:], atol=2e-3)


def test_independent_channels_are_taken_up_by_the_size_of_their_contributions() -> None:
    sizes = np.array([3.0, 0.5, 2.0, 1.0])
    entered = _taken_up(np.diag(sizes**2))
    assert np.argsort(entered).tolist() == [1, 3, 2, 0]
    # A channel of squared size s enters once the penalty is below s / 9, on a grid.
    assert (entered <= sizes**2 / 9 + 1e-3).all()
    assert (entered >= sizes**2 / 9 * 10 ** (-3 / 59) - 1e-9).all()


def test_a_copy_of_a_channel_is_taken_up_no_earlier_than_the_stronger_one() -> None:
    parts = parts_of(1, 4)
    parts[:, 3] = 0.3 * parts[:, 0]
    entered = _taken_up(parts.T @ parts)
    assert entered[3] < entered[0]


def test_channels_without_contributions_are_never_taken_up() -> None:
    parts = parts_of(2, 4)
    parts[:, 1] = 0
    entered = _taken_up(parts.T @ parts)
    assert entered[1] == 0
    assert (np.delete(entered, 1) > 0).all()
    np.testing.assert_array_equal(_taken_up(np.zeros((3, 3))), np.zeros(3))


def test_a_model_is_scored() -> None:
    rng = np.random.default_rng(0)
    feed = {"x": rng.standard_normal((40, 3)).astype(np.float32)}
    scores = scored("lasso", model(LINEAR), [feed])["g1"]
    assert scores.shape == (1, 4)
    assert scores.max() == pytest.approx(10 ** (-3 / 59), abs=2e-4)


def test_nothing_cannot_be_sampled() -> None:
    with pytest.raises(BadData, match="samples is 0"):
        scored("lasso", model(LINEAR), [], samples=0)
