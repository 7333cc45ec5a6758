"""Criteria are found by name, and what they give is checked."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.groups import Coupling
from graphprune.passes.score import CRITERIA, Tensors, criteria, score
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores
from tests.networks import ALL, chain, random_tensors


def test_names() -> None:
    assert {"l1", "l2", "random"} <= set(criteria())
    assert list(criteria()) == sorted(criteria())


def test_an_unknown_criterion_lists_the_known_ones() -> None:
    coupling = chain(4)
    with pytest.raises(BadData, match="no criterion is called 'l3'") as caught:
        score("l3", coupling, random_tensors(coupling).__getitem__)
    assert f"choose one of: {', '.join(criteria())}" in str(caught.value)
    with pytest.raises(BadData, match="criterion 'l2' has no option 'p'"):
        score("l2", coupling, random_tensors(coupling).__getitem__, p=3)


def test_criteria_say_what_they_need() -> None:
    weights = {"bn-scale", "fpgm", "l1", "l2", "random", "synflow"}
    data, both = frozenset({"data"}), frozenset({"data", "gradients"})
    needs = {name: CRITERIA.needs(name) for name in criteria()}
    assert needs == dict.fromkeys(weights, frozenset()) | {
        "grasp": both, "lasso": data, "pfp": data, "snip": both, "taylor": both, "thinet": data,
    }  # fmt: skip


def test_a_name_is_taken_once() -> None:
    class Again:
        def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
            return Scores({})

    with pytest.raises(ValueError, match="criterion 'l2' is registered twice"):
        criterion("l2")(Again)


@pytest.mark.parametrize("name", ["l1", "l2", "random"])
@pytest.mark.parametrize("network", sorted(ALL))
def test_every_unit_gets_a_score(name: str, network: str) -> None:
    coupling = ALL[network]
    scores = score(name, coupling, random_tensors(coupling).__getitem__)
    for group in coupling:
        assert scores[group.name].shape == group.units.shape
        assert scores[group.name].dtype == np.float64
        assert (scores[group.name] > 0).all()
    assert scores.criterion == name


def test_weights_that_are_not_finite_are_reported() -> None:
    coupling = chain(4)
    tensors = random_tensors(coupling)
    tensors["c0.weight"][1, 0, 0, 0] = np.nan
    with pytest.raises(BadData, match="scores that are not finite"):
        score("l2", coupling, tensors.__getitem__)


def test_scores_of_another_shape_are_a_programming_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flat:
        def __call__(self, coupling: Coupling, tensors: Tensors, seed: int) -> Scores:
            return Scores({"g1": np.ones(4)})

    monkeypatch.setattr(CRITERIA, "create", lambda name, options: Flat())
    coupling = chain(4)
    with pytest.raises(ValueError, match=r"gives g1 scores of shape \(4,\), not \(1, 4\)"):
        score("flat", coupling, random_tensors(coupling).__getitem__)
