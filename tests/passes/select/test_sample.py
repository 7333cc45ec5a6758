"""Sampled channels: right on average, and within the bound as often as promised."""

from __future__ import annotations

from math import log

import numpy as np

from graphprune.passes.couple import couple
from graphprune.passes.select import select
from graphprune.passes.select.reweighting import keep_drawn
from graphprune.scores import Scores, Widths
from graphprune.terms import Floats
from tests.networks import chain


def error_of(total: float, logarithm: float, draws: int) -> float:
    """The error at which Bernstein's m = (6 + 2 e) S L / (3 e^2) draws suffice."""
    c = draws / (total * logarithm)
    return float((1 + np.sqrt(1 + 18 * c)) / (3 * c))


def layer(outputs: int, channels: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Summands of one sign ``(outputs, channels)``, and the channels' true sensitivities."""
    parts = np.random.default_rng(seed).random((outputs, channels)) ** 2
    return parts, (parts / parts.sum(axis=1, keepdims=True)).max(axis=0)


def test_the_error_is_that_of_the_formula() -> None:
    total, logarithm, epsilon = 2.0, 10.0, 0.5
    draws = (6 + 2 * epsilon) * total * logarithm / (3 * epsilon**2)
    assert abs(error_of(total, logarithm, draws) - epsilon) < 1e-12  # type: ignore[arg-type]


def test_sums_of_a_reweighted_layer_are_right_on_average() -> None:
    """Of weights and activations of both signs, within four standard errors."""
    coupling, rng = couple(chain(12, 4).graph), np.random.default_rng(0)
    weights, inputs = rng.standard_normal((6, 12)), rng.standard_normal((12, 5))
    scores = Scores({"g1": rng.random((1, 12)), "g2": np.ones((1, 4))}, "pfp")
    row, found = coupling.groups[0].units[0], []
    for seed in range(1500):
        selection = select("sample", coupling, scores, Widths({"g1": 5, "g2": 4}), seed)
        assert selection.factors is not None
        factors = selection.factors[row] * selection.alive[row]
        found.append((weights * factors) @ inputs)
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - weights @ inputs) < 4 * error).all()


def test_bernsteins_bound_is_violated_less_often_than_delta() -> None:
    """Sums of one sign stay within e with probability 1 - delta over the draws."""
    parts, sensitivities = layer(20, 400)
    sums, delta, trials = parts.sum(axis=1), 0.05, 2000
    rng, nothing = np.random.default_rng(1), np.zeros(400, np.bool_)
    violated = tenth = 0
    for _ in range(trials):
        row = keep_drawn(sensitivities, nothing, 150, rng)
        assert row.draws is not None
        logarithm = log(2 * len(sums) * row.draws.limit / delta)
        epsilon = error_of(row.total, logarithm, row.draws.number)
        off = np.abs(parts @ (row.factors * row.alive) - sums) / sums
        violated += bool((off > epsilon).any())
        tenth += bool((off > epsilon / 10).any())
    assert violated <= delta * trials
    assert tenth > delta * trials  # the bound is not met by just anything


def test_wider_rows_are_closer() -> None:
    parts, sensitivities = layer(10, 60)
    rng, nothing = np.random.default_rng(2), np.zeros(60, np.bool_)

    def spread(width: int) -> float:
        rows = [keep_drawn(sensitivities, nothing, width, rng) for _ in range(400)]
        return float(np.std([parts @ (row.factors * row.alive) for row in rows], axis=0).mean())

    assert spread(10) > 1.3 * spread(25) > 1.3**2 * spread(50)
