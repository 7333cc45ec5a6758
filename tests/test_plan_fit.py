"""What a plan expects of some parameters decides about all units, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import PlanMismatch
from graphprune.groups import Coupling
from graphprune.plan_fit import Expected, Fit, Wording, layer_key, layer_table, param_layers
from graphprune.plan_json import PlannedGroup
from tests.networks import chain, concat, two_rows

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


def numbers(**lines: list[float]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Factors by axis; ``_0`` stands for axis 0."""
    return {key.removeprefix("_"): np.array(line) for key, line in lines.items()}


def test_units_get_the_factors_of_the_weights_that_read_them() -> None:
    coupling = chain(8, 5)
    reader = Expected("c1.weight", {"1": KEPT["0"]}, factors=numbers(_1=[2.0, 0.0, 0.5, 1.0]))
    selection = fit(coupling, Expected("c0.weight", KEPT), reader).selection
    assert selection.factors is not None
    row = selection.factors[coupling.groups[0].units[0]]
    assert row.tolist() == [2.0, 1.0, 0.0, 1.0, 1.0, 0.5, 1.0, 1.0]
    assert fit(coupling, Expected("c0.weight", KEPT)).selection.factors is None


@pytest.mark.parametrize(
    ("factors", "what"),
    [
        (numbers(_1=[2.0]), "has 1 factors for 'c1.weight', which keeps 4 channels"),
        (numbers(_2=[2.0]), "axis 2 of 'c1.weight' cannot be multiplied"),
    ],
)
def test_factors_have_to_be_as_many_as_what_they_are_of(
    factors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], what: str
) -> None:
    reader = Expected("c1.weight", {"1": KEPT["0"]}, factors=factors)
    assert what in refused(chain(8, 5), Expected("c0.weight", KEPT), reader)


def test_factors_may_not_contradict_each_other() -> None:
    maker = Expected("c0.weight", KEPT, factors=numbers(_0=[1.0, 2.0, 3.0, 4.0]))
    reader = Expected("c1.weight", {"1": KEPT["0"]}, factors=numbers(_1=[1.0, 2.0, 3.0, 5.0]))
    text = refused(chain(8, 5), maker, reader)
    assert "multiplies channels of 'c1.weight' by several numbers" in text
    assert "where: factors for axis 1 of c1.weight" in text


def test_frozen_channels_have_no_factors() -> None:
    reader = Expected("c.weight", {}, factors=numbers(_1=[1.0, 1, 1, 1, 2, 1, 1]))
    with pytest.raises(PlanMismatch, match="by several numbers"):
        Fit(concat(2, 2), [reader], [], Wording("", ""))
