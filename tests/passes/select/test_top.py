"""The highest scores of every row live."""

from __future__ import annotations

import numpy as np

from graphprune.passes.select import select
from graphprune.scores import Scores, Widths
from tests.networks import chain, concat, two_rows


def test_every_row_keeps_its_best() -> None:
    coupling = two_rows(4)
    scores = Scores({"g1": np.array([[1.0, 9.0, 2.0, 8.0], [70.0, 60.0, 50.0, 80.0]])})
    alive = select("top", coupling, scores, Widths({"g1": 2})).alive
    assert alive[coupling.groups[0].units].tolist() == [
        [False, True, False, True],
        [True, False, False, True],
    ]
    assert alive[0]


def test_of_equals_the_first_live() -> None:
    coupling = chain(6)
    scores = Scores({"g1": np.array([[1.0, 2.0, 1.0, 1.0, 2.0, 1.0]])})
    alive = select("top", coupling, scores, Widths({"g1": 4})).alive
    assert alive[coupling.groups[0].units].tolist() == [[True, True, True, False, True, False]]


def test_every_group_gets_its_width() -> None:
    coupling = concat(4, 6)
    rng = np.random.default_rng(0)
    scores = Scores({group.name: rng.random(group.units.shape) for group in coupling})
    alive = select("top", coupling, scores, Widths({"g1": 1, "g2": 6})).alive
    assert [int(alive[group.units].sum()) for group in coupling] == [1, 6]
