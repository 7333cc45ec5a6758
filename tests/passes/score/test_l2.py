"""The L2 norm of filters, against NumPy's own norm of every filter."""

from __future__ import annotations

import numpy as np

from graphprune.passes.score import score
from tests.networks import chain, depthwise, random_tensors, residual, two_rows


def norms(weight: np.ndarray) -> np.ndarray:
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    return np.asarray(np.linalg.norm(rows, 2, axis=1))


def test_a_channel_scores_the_norm_of_its_filter() -> None:
    coupling = chain(8, 5)
    tensors = random_tensors(coupling)
    scores = score("l2", coupling, tensors.__getitem__)
    np.testing.assert_allclose(scores["g1"], [norms(tensors["c0.weight"])])
    np.testing.assert_allclose(scores["g2"], [norms(tensors["c1.weight"])])


def test_several_producers_are_averaged() -> None:
    for coupling, names in ((residual(), "ac"), (depthwise(), ("a", "dw"))):
        tensors = random_tensors(coupling)
        scores = score("l2", coupling, tensors.__getitem__)
        expected = np.mean([norms(tensors[f"{name}.weight"]) for name in names], axis=0)
        np.testing.assert_allclose(scores["g1"], [expected])


def test_rows_are_scored_apart() -> None:
    coupling = two_rows(4)
    tensors = random_tensors(coupling)
    scores = score("l2", coupling, tensors.__getitem__)
    np.testing.assert_allclose(scores["g1"], norms(tensors["a.weight"]).reshape(2, 4))
