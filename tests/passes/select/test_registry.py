"""Selectors are found by name."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.groups import Coupling
from graphprune.passes.select import select, selector, selectors
from graphprune.scores import Scores, Selection, Widths
from tests.networks import chain


class Everything:
    def __call__(self, coupling: Coupling, scores: Scores, widths: Widths, seed: int) -> Selection:
        return Selection(coupling.everything())


def test_names() -> None:
    assert "top" in selectors()
    scores = Scores({"g1": np.ones((1, 4))})
    with pytest.raises(BadData, match="no selector is called 'bottom'"):
        select("bottom", chain(4), scores, Widths({"g1": 4}))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="selector 'top' is registered twice"):
        selector("top")(Everything)
