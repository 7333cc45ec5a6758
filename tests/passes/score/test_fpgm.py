"""Distances to all other filters, against a loop over pairs."""

from __future__ import annotations

import numpy as np

from graphprune.passes.score import score
from tests.networks import chain, depthwise, random_tensors, residual, two_rows


def distances(filters: np.ndarray) -> np.ndarray:
    rows = filters.reshape(len(filters), -1).astype(np.float64)
    return np.array([sum(np.linalg.norm(one - other) for other in rows) for one in rows])


def test_a_channel_scores_the_distances_of_its_filter_to_all_others() -> None:
    coupling = chain(8, 5)
    tensors = random_tensors(coupling)
    scores = score("fpgm", coupling, tensors.__getitem__)
    np.testing.assert_allclose(scores["g1"], [distances(tensors["c0.weight"])])
    np.testing.assert_allclose(scores["g2"], [distances(tensors["c1.weight"])])


def test_several_producers_are_averaged() -> None:
    for coupling, names in ((residual(), "ac"), (depthwise(), ("a", "dw"))):
        tensors = random_tensors(coupling)
        scores = score("fpgm", coupling, tensors.__getitem__)
        expected = np.mean([distances(tensors[f"{name}.weight"]) for name in names], axis=0)
        np.testing.assert_allclose(scores["g1"], [expected])


def test_producers_are_aggregated_as_asked() -> None:
    coupling = residual()
    tensors = random_tensors(coupling)
    found = [distances(tensors[f"{name}.weight"]) for name in "ac"]
    for how in ("sum", "max"):
        scores = score(f"fpgm:aggregate={how}", coupling, tensors.__getitem__)
        np.testing.assert_allclose(scores["g1"], [getattr(np, how)(found, axis=0)])


def test_all_rows_of_a_layer_are_compared() -> None:
    coupling = two_rows(4)
    tensors = random_tensors(coupling)
    scores = score("fpgm", coupling, tensors.__getitem__)
    np.testing.assert_allclose(scores["g1"].ravel(), distances(tensors["a.weight"]))


def test_the_filter_in_the_middle_goes_first_even_if_it_is_the_largest() -> None:
    coupling = chain(3)
    tensors = random_tensors(coupling)
    tensors["c0.weight"][:] = np.array([9.0, 10.0, 11.0]).reshape(3, 1, 1, 1)
    tensors["c0.weight"][0, 0, 0, 0] += 4
    tensors["c0.weight"][2, 0, 0, 0] -= 4
    scores = score("fpgm", coupling, tensors.__getitem__)["g1"][0]
    assert scores.argmin() == 1
    assert score("l2", coupling, tensors.__getitem__)["g1"][0].argmin() != 1
