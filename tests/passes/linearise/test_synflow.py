"""SynFlow's scores: conserved, iterated, and none for what no longer carries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphprune.passes.linearise import flow, synflow
from graphprune.passes.linearise.synflow import _smallest
from tests.passes.linearise.networks import CHAIN, CONCAT, GATED, RESIDUAL, drawn, graph_of


def test_one_round_is_weight_times_gradient_of_magnitudes() -> None:
    graph = graph_of(RESIDUAL)
    given = drawn(graph)
    signed = {name: array * (-1) ** np.arange(array.shape[0]).reshape(-1, *[1] * (array.ndim - 1))
              for name, array in given.items()}  # fmt: skip
    found = synflow(graph, signed.__getitem__, keep=0.5, rounds=1)
    gradients = flow(graph, given).gradients()
    for name, array in given.items():
        np.testing.assert_allclose(found[name], array * gradients[name])


@pytest.mark.parametrize("text", [CHAIN, RESIDUAL, CONCAT])
@pytest.mark.parametrize("keep", [0.5, 0.1])
def test_the_last_round_scores_about_as_many_as_the_one_before_leaves(
    text: str, keep: float
) -> None:
    graph = graph_of(text)
    found = synflow(graph, drawn(graph).__getitem__, keep=keep, rounds=20)
    total = sum(score.size for score in found.values())
    scored = sum(np.count_nonzero(score) for score in found.values())
    # Those that stay without a path through them score nothing.
    assert 0.5 * keep ** (19 / 20) * total < scored <= keep ** (19 / 20) * total + 1


def test_iterating_avoids_the_collapse_of_a_layer() -> None:
    """One shot takes a wide layer away as a whole; a hundred rounds leave a path through it."""
    graph = graph_of("""
        input x: [1,4]
        param a: [40,4]
        param b: [40,40]
        param c: [4,40]
        p: [1,40] = contract(x, a) {equation="ak,zk->az"}
        q: [1,40] = contract(p, b) {equation="ak,zk->az"}
        y: [1,4] = contract(q, c) {equation="ak,zk->az"}
        return y
    """)
    given = drawn(graph)

    def left(rounds: int) -> int:
        scores = synflow(graph, given.__getitem__, keep=0.03, rounds=rounds)
        every = np.sort(np.concatenate([score.ravel() for score in scores.values()]))
        return int((scores["b"] >= every[-int(0.03 * len(every))]).sum())

    assert left(1) == 0
    assert left(100) > 0


def test_layers_of_gates_have_no_scores() -> None:
    graph = graph_of(GATED)
    assert set(synflow(graph, drawn(graph).__getitem__, keep=0.5, rounds=2)) == {"a", "b"}


def test_uses_of_one_tensor_add_up() -> None:
    apart = graph_of("""
        input x: [1,4]
        param a: [4,4]
        param b: [4,4]
        p: [1,4] = contract(x, a) {equation="ak,zk->az"}
        y: [1,4] = contract(p, b) {equation="ak,zk->az"}
        return y
    """)
    shared = {name: replace(apart.values[name], source="shared") for name in "ab"}
    graph = replace(apart, values={**apart.values, **shared})
    given = drawn(graph)
    same = {"a": given["a"], "b": given["a"]}
    found = synflow(graph, same.__getitem__, keep=0.5, rounds=1)
    gradients = flow(graph, same).gradients()
    np.testing.assert_allclose(found["shared"], same["a"] * (gradients["a"] + gradients["b"]))


@pytest.mark.parametrize("rank", [0, 5, 60_000, 99_000, 149_999])
@pytest.mark.parametrize("zeros", [0.0, 0.4, 1.0])
def test_ranks_among_many_are_found_exactly(rank: int, zeros: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.random(150_000) ** 9 * (rng.random(150_000) >= zeros)
    assert _smallest(values, rank) == np.sort(values)[rank]
