"""Which units of an original the units of a narrowed module are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import graphprune  # noqa: E402
from graphprune.groups import Alive, Coupling  # noqa: E402
from graphprune.training.lineage import Lineage  # noqa: E402
from tests.training.networks import IMAGES, Grouped, convs  # noqa: E402


def narrowed(module: Any, **how: Any) -> tuple[Coupling, Alive, Coupling]:
    """A module's coupling, what is left of it, and the coupling of what was made of that."""
    result = graphprune.prune(module, IMAGES, **how)
    now = graphprune.inspect(result.model, IMAGES)
    return result.inspection.coupling, result.alive, now.coupling


def test_of_what_is_whole_every_unit_is_its_own_ancestor() -> None:
    coupling = graphprune.inspect(convs(), IMAGES).coupling
    lineage = Lineage(coupling, coupling.everything(), coupling)
    assert lineage.ancestors.tolist() == list(range(coupling.units + 1))
    assert {name: group.name for name, group in lineage.parents.items()} == {"g1": "g1", "g2": "g2"}


def test_ancestors_are_the_units_that_were_kept_in_order() -> None:
    original, alive, current = narrowed(convs(), macs=0.5)
    lineage = Lineage(original, alive, current)
    for before, now in zip(original, current, strict=True):
        left = before.units[0][alive[before.units[0]]]
        assert lineage.ancestors[now.units[0]].tolist() == left.tolist()


def test_what_dies_in_the_narrowed_module_dies_in_the_original() -> None:
    original, alive, current = narrowed(convs(), macs=0.5)
    lineage = Lineage(original, alive, current)
    assert np.array_equal(lineage.followed(current.everything()), alive)
    second = current.everything()
    second[current.groups[0].units[0, 2]] = False
    gone = original.groups[0].units[0][alive[original.groups[0].units[0]]][2]
    assert np.flatnonzero(alive & ~lineage.followed(second)).tolist() == [gone]


def test_units_that_are_cut_across_have_no_ancestor() -> None:
    """Whole convolution groups were removed; what is left is narrowed within each of them."""
    original, alive, current = narrowed(Grouped(), channels=0.75)
    assert original.groups[0].rows == 1
    assert current.groups[0].rows == 3
    lineage = Lineage(original, alive, current)
    assert lineage.parents == {}
    assert not lineage.ancestors[current.groups[0].units].any()


def test_a_group_that_the_original_keeps_whole_has_no_parent() -> None:
    module = convs()
    full = graphprune.inspect(module, IMAGES).coupling
    kept = graphprune.inspect(module, IMAGES, keep=["0"]).coupling
    lineage = Lineage(kept, kept.everything(), full)
    assert sorted(lineage.parents) == ["g2"]


def test_parameters_the_original_lacks_have_no_ancestor() -> None:
    original = graphprune.inspect(convs(), IMAGES).coupling
    stranger = graphprune.inspect(Grouped(), IMAGES).coupling
    lineage = Lineage(original, original.everything(), stranger)
    assert not lineage.ancestors.any()
    assert lineage.parents == {}
