"""What a plan expects of some parameters decides about all units, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import PlanMismatch
from graphprune.groups import Coupling
from graphprune.plan_fit import Expected, Fit, Wording, layer_key, layer_table, param_layers
from graphprune.plan_json import PlannedGroup
from tests.networks import chain, two_rows

KEPT = {"0": np.array([0, 2, 5, 6])}
FEW = {"0": np.array([0, 2, 5])}
GROUP = PlannedGroup("g1", 8, 4)


def fit(coupling: Coupling, *expected: Expected) -> Fit:
    return Fit(coupling, expected, [GROUP], Wording("it is another's", "make a new one", "here"))


def refused(coupling: Coupling, *expected: Expected) -> str:
    with pytest.raises(PlanMismatch) as caught:
        fit(coupling, *expected)
    return str(caught.value)


def test_one_parameter_decides_for_all_that_are_coupled() -> None:
    coupling = chain(8, 5)
    alive = fit(coupling, Expected("c0.weight", KEPT)).alive
    row = coupling.groups[0].units[0]
    assert np.flatnonzero(alive[row]).tolist() == [0, 2, 5, 6]
    assert alive[coupling.groups[1].units].all()


def test_parameters_may_not_contradict_each_other() -> None:
    other = {"1": np.array([0, 2, 5, 7])}
    text = refused(chain(8, 5), Expected("c0.weight", KEPT), Expected("c1.weight", other))
    assert "other channels along axis 0 of 'c0.weight'" in text
    text = refused(chain(8, 5), Expected("c0.weight", KEPT), Expected("c1.weight", {}))
    assert "other channels along axis 1 of 'c1.weight'" in text


def test_every_group_of_the_plan_has_to_be_found() -> None:
    text = refused(chain(8, 5))
    assert "the plan has a group 8 -> 4 that this model has not\n  where: here" in text
    assert "why:   it is another's\n  fix:   make a new one" in text
    text = refused(chain(8, 5), Expected("c0.weight", FEW))
    assert "g1 would go from 8 to 3 units" in text


def test_guesses_are_believed_where_two_agree() -> None:
    guess = Expected("c0.weight", KEPT, guessed=True)
    text = refused(chain(8, 5), guess)
    assert "what the plan keeps of g1 cannot be told" in text
    assert "where: group g1: c0.weight.0 c0.bias.0 c1.weight.1; here" in text
    consumer = Expected("c1.weight", {"1": KEPT["0"]}, guessed=True)
    expected = fit(chain(8, 5), Expected("c0.weight", KEPT)).alive
    assert np.array_equal(fit(chain(8, 5), guess, consumer).alive, expected)


def test_layers_are_called_by_their_axes() -> None:
    layers = [(name, layer_key(layer), layer_table(layer).shape)
              for name, layer in param_layers(two_rows(4))]  # fmt: skip
    assert ("a.weight", "0", (8,)) in layers
    assert ("grouped.weight", "0,1", (6, 4)) in layers
