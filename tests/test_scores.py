"""What flows between score, allocate and select."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.scores import Guarantee, Scores, Widths
from tests.networks import chain


def test_scores_must_be_finite() -> None:
    with pytest.raises(BadData) as caught:
        Scores({"g1": np.array([[1.0, np.nan]])}, "l2")
    assert str(caught.value) == (
        "BadData: criterion 'l2' gives scores that are not finite\n"
        "  where: group g1\n"
        "  why:   the weights it reads hold NaN, infinities or numbers too large"
    )


def test_widths_follow_the_order_of_the_groups() -> None:
    assert Widths({"g2": 3, "g1": 4}).vector(chain(8, 5)).tolist() == [4, 3]


def test_a_guarantee_says_whether_it_bounds_anything() -> None:
    kept = Guarantee("g1", 3.2, 40, 0.25, 1e-3)
    assert kept.meaning.startswith("epsilon is heuristic")
    drawn = Guarantee("g1", 3.2, 40, 0.25, 1e-3, sampled=True)
    assert "stay within epsilon of theirs with probability 1 - 0.001" in drawn.meaning
    assert "next to nothing" not in drawn.meaning
    assert replace(drawn, epsilon=30.0).meaning.endswith("; more than 1 promises next to nothing")
    everything = Guarantee("g1", 3.2, 0, 0.0, 1e-3)
    assert everything.meaning.startswith("every channel that had any share")
