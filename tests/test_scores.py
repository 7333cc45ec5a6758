"""What flows between score, allocate and select."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.scores import Scores, Widths
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
