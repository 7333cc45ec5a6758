"""Greedy removal, against trying every channel at every step."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from graphprune.errors import BadData
from graphprune.passes.score.thinet import _removal
from tests.onnxtext import model
from tests.passes.score.measured import scored
from tests.passes.score.test_contributions import LINEAR


def by_trying(parts: np.ndarray) -> list[int]:
    """The order in which channels are removed from results that are sums over columns."""
    removed: list[int] = []
    while len(removed) < parts.shape[1]:
        left = [j for j in range(parts.shape[1]) if j not in removed]
        removed.append(
            min(left, key=lambda j: float((parts[:, [*removed, j]].sum(axis=1) ** 2).sum()))
        )
    return removed


@pytest.mark.parametrize("seed", range(5))
def test_each_step_removes_what_changes_the_results_least(seed: int) -> None:
    parts = np.random.default_rng(seed).standard_normal((30, 8)) * np.arange(1, 9)
    assert np.argsort(_removal(parts.T @ parts)).tolist() == by_trying(parts)


def test_channels_that_cancel_out_are_removed_together() -> None:
    rng = np.random.default_rng(0)
    large, small = 10 * rng.standard_normal(50), rng.standard_normal(50)
    parts = np.stack([large, small, -large + 0.01 * small, 3 * rng.standard_normal(50)], axis=1)
    steps = _removal(parts.T @ parts)
    assert abs(steps[0] - steps[2]) == 1


def test_a_model_is_scored_by_the_steps() -> None:
    proto, rng = model(LINEAR), np.random.default_rng(0)
    x = rng.standard_normal((20, 3)).astype(np.float32)
    a, b = (numpy_helper.to_array(t).astype(np.float64) for t in proto.graph.initializer)
    order = by_trying(np.maximum(x @ a, 0) * b[:, 0])
    scores = scored("thinet", proto, [{"x": x}])["g1"][0]
    assert np.argsort(scores).tolist() == order
    assert sorted(scores) == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_nothing_cannot_be_sampled() -> None:
    with pytest.raises(BadData, match="samples is 0"):
        scored("thinet", model(LINEAR), [], samples=0)
