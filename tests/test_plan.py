"""Plans survive the file, and fit only the model they were made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.counterparts import described
from graphprune.errors import PlanMismatch
from graphprune.frontends.origin import Origin
from graphprune.groups import Alive, Coupling
from graphprune.plan import Plan, Source
from tests.networks import ALL, chain, concat, random_alive, residual, two_rows


def planned(coupling: Coupling, alive: Alive) -> Plan:
    plan = Plan.of(
        coupling,
        alive,
        source=Source("onnx", "0123456789abcdef" * 4, "net.onnx"),
        method={"criterion": "l2", "allocation": "uniform", "round_to": 1},
        budget=Budget(macs=0.5),
        seed=3,
    )
    return replace(plan, versions={"graphprune": "0.1.0"})


def first_half(coupling: Coupling) -> Alive:
    alive = coupling.everything()
    for group in coupling:
        alive[group.units[:, group.width // 2 :]] = False
    return alive


def test_a_plan_is_written_readably() -> None:
    coupling = two_rows(2)
    plan = planned(coupling, first_half(coupling))
    assert (
        plan.to_json()
        == """\
{
  "format": "graphprune.plan/1",
  "source": {
    "kind": "onnx",
    "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "name": "net.onnx"
  },
  "method": {
    "criterion": "l2",
    "allocation": "uniform",
    "round_to": 1
  },
  "budget": {
    "macs": 0.5
  },
  "seed": 3,
  "versions": {
    "graphprune": "0.1.0"
  },
  "groups": [
    {"name": "g1", "width": 2, "kept": 1, "rows": 2, "approximate": []}
  ],
  "kept": {
    "a.weight": {
      "0": [0, 2]
    },
    "grouped.weight": {
      "0,1": [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [5, 0]]
    }
  }
}"""
    )
    assert plan.text() == "g1 2 -> 1 in each of 2 rows"


def test_text_has_a_line_for_every_group() -> None:
    coupling = chain(8, 5)
    assert planned(coupling, first_half(coupling)).text() == "g1 8 -> 4\ng2 5 -> 2"


def test_a_row_axis_may_come_after_the_narrowed_one() -> None:
    coupling = two_rows(4)
    layer = coupling.layers["grouped.weight"][0]
    turned = replace(layer, ids=layer.ids.swapaxes(0, 1), axis=0)
    coupling = replace(coupling, layers={**coupling.layers, "grouped.weight": (turned,)})
    _, alive = random_alive(coupling, np.random.default_rng(4))
    plan = planned(coupling, alive)
    for row, kept in plan.kept["grouped.weight"]["1,0"]:
        assert alive[turned.ids[kept, row, 0, 0]]
    assert np.array_equal(plan.alive(coupling), alive)


@pytest.mark.parametrize("name", sorted(ALL))
def test_round_trip_through_the_file_and_a_fresh_coupling(name: str) -> None:
    coupling = ALL[name]
    for seed in range(5):
        _, alive = random_alive(coupling, np.random.default_rng(seed))
        plan = planned(coupling, alive)
        again = Plan.from_json(plan.to_json())
        assert again.to_json() == plan.to_json()
        assert np.array_equal(again.alive(coupling), alive)


def test_only_axes_that_lose_something_are_listed() -> None:
    coupling = chain(8, 5)
    alive = coupling.everything()
    assert planned(coupling, alive).kept == {}
    alive[coupling.groups[1].units[0, 0]] = False
    kept = planned(coupling, alive).kept
    assert {name: list(axes) for name, axes in kept.items()} == {
        "c1.weight": ["0"],
        "c1.bias": ["0"],
        "c2.weight": ["1"],
    }


def test_versions_name_the_programs_that_took_part() -> None:
    coupling = chain(4)
    plan = Plan.of(
        coupling, coupling.everything(), source=Source("onnx", "", ""), method={},
        budget=Budget(), seed=0,
    )  # fmt: skip
    assert {"python", "graphprune", "numpy"} <= set(plan.versions)
    assert plan.versions["numpy"] == np.__version__


def test_unequal_rows_are_a_programming_error() -> None:
    coupling = two_rows()
    alive = coupling.everything()
    alive[coupling.groups[0].units[0, 0]] = False
    with pytest.raises(ValueError, match=r"rows of g1 keep \[3, 4\] of 4 units"):
        planned(coupling, alive)


def mismatch(plan: Plan, coupling: Coupling) -> str:
    with pytest.raises(PlanMismatch) as caught:
        plan.alive(coupling)
    return str(caught.value)


def changed(plan: Plan, **kept: dict[str, list[int]]) -> Plan:
    """The plan with other indices for some parameters, ``.`` written as ``_``."""
    axes = {
        name.replace("_", "."): {key: np.array(index) for key, index in by_axis.items()}
        for name, by_axis in kept.items()
    }
    return replace(plan, kept={**plan.kept, **axes})


def test_an_unknown_parameter_is_named() -> None:
    coupling = chain(8, 5)
    plan = planned(coupling, first_half(coupling))
    assert mismatch(changed(plan, z_weight={"0": [0]}), coupling) == (
        "PlanMismatch: the model has no parameter 'z.weight'\n"
        "  where: parameter z.weight\n"
        "  why:   the plan was made for onnx model 'net.onnx' (sha256 0123456789ab)\n"
        "  fix:   apply it to an unchanged copy of that model, or make a new plan"
    )


def test_differences_are_named() -> None:
    coupling = chain(8, 5)
    plan = planned(coupling, first_half(coupling))
    assert "axis 0 of 'c2.weight' cannot be narrowed in this model" in mismatch(
        changed(plan, c2_weight={"0": [0]}), coupling
    )
    assert "axis 2 of c0.weight, of shape [8, 3, 3, 3]" in mismatch(
        changed(plan, c0_weight={"2": [0]}), coupling
    )
    assert "the plan keeps index 9 of 'c0.weight', of which there are [8]" in mismatch(
        changed(plan, c0_weight={"0": [0, 9]}), coupling
    )
    text = mismatch(changed(plan, c1_bias={"0": [0, 2]}), coupling)
    assert "other channels along axis 0 of 'c1.weight'" in text


def test_a_missing_axis_is_a_contradiction() -> None:
    coupling = residual()
    plan = planned(coupling, first_half(coupling))
    kept = {name: axes for name, axes in plan.kept.items() if name != "c.weight"}
    text = mismatch(replace(plan, kept=kept), coupling)
    assert "the plan keeps other channels along axis 0 of 'c.weight'" in text


def test_a_wider_model_is_refused_by_the_width_of_its_group() -> None:
    plan = planned(chain(8, 5), first_half(chain(8, 5)))
    text = mismatch(plan, chain(12, 5))
    assert "g1 would go from 12 to 4 units, which no group of the plan does" in text
    assert "where: group g1: c0.weight.0 c0.bias.0 c1.weight.1" in text


def test_a_plan_that_lost_its_indices_is_refused() -> None:
    coupling = chain(8, 5)
    plan = replace(planned(coupling, first_half(coupling)), kept={})
    assert "the plan has a group 8 -> 4 that this model has not" in mismatch(plan, coupling)


def test_frozen_channels_are_never_removed() -> None:
    coupling = concat()
    plan = planned(coupling, first_half(coupling))
    text = mismatch(changed(plan, c_weight={"1": [0, 1]}), coupling)
    assert "the plan removes channels of 'c.weight' that are frozen in this model" in text


NAMED = {
    "c0.weight": Origin(("c0.weight",)),
    "c1.weight": Origin(("a.b", "b"), guessed=True),
    "c2.weight": Origin(("c2.weight",)),
}


def named(coupling: Coupling) -> Plan:
    """The plan of an export that says what its parameters are called in PyTorch."""
    return replace(
        planned(coupling, first_half(coupling)), parameters=described(coupling, "onnx", NAMED)
    )


def test_names_in_pytorch_have_a_line_each() -> None:
    plan = named(chain(8, 5))
    *_, text = plan.to_json().partition('  "parameters": ')
    assert text.splitlines()[2] == (
        '    {"name": "c1.weight", "torch": ["a.b", "b"], "transposed": false, '
        '"guessed": true, "shape": [5, 8, 3, 3], "roles": ["out", "in", "", ""]},'
    )
    assert Plan.from_json(plan.to_json()).parameters == plan.parameters


def test_a_plan_of_another_kind_of_model_goes_by_the_names_in_pytorch() -> None:
    coupling = chain(8, 5)
    names = {name: Origin((name,)) for name in ("c0.weight", "c2.weight")}
    names["c1.weight"] = Origin(("b",), guessed=True)
    alive = named(coupling).alive(coupling, "torch", names)
    assert np.array_equal(alive, first_half(coupling))
    with pytest.raises(PlanMismatch) as caught:
        named(coupling).alive(coupling, "torch", {"c0.weight": Origin(("c0.weight",))})
    assert str(caught.value) == (
        "PlanMismatch: the plan has a group 5 -> 2 that this model has not\n"
        "  where: without a counterpart: 'c1.weight', 'c2.weight', 'c0.bias' and 1 more\n"
        "  why:   the plan was made for onnx model 'net.onnx' (sha256 0123456789ab)\n"
        "  fix:   make the plan on the module itself: graphprune.prune(module, inputs, ...)"
    )


def test_a_plan_of_the_same_kind_of_model_goes_by_its_own_names() -> None:
    coupling = chain(8, 5)
    assert np.array_equal(named(coupling).alive(coupling, "onnx"), first_half(coupling))
    assert "no parameter 'z.weight'" in mismatch(
        changed(named(coupling), z_weight={"0": [0]}), coupling
    )


def multiplied() -> tuple[Coupling, Plan]:
    """A plan that keeps two of four channels and multiplies the weights that read them."""
    coupling = two_rows(2)
    alive = first_half(coupling)
    numbers = [0.1] * 3 + [1 / 3] * 3
    factors = {"grouped.weight": {"0,1": np.array(numbers)}}
    return coupling, replace(planned(coupling, alive), factors=factors)


def test_factors_are_written_with_every_digit_and_come_back() -> None:
    coupling, plan = multiplied()
    text = plan.to_json()
    assert '"factors": {\n    "grouped.weight": {\n      "0,1": [0.1, 0.1, 0.1, 0.333333' in text
    again = Plan.from_json(text)
    assert again.to_json() == text
    selection = again.selection(coupling)
    (group,) = coupling.groups
    assert selection.factors is not None
    assert selection.factors[group.units].tolist() == [[0.1, 1.0], [1 / 3, 1.0]]
    assert np.array_equal(selection.alive, plan.alive(coupling))


def test_a_plan_without_factors_does_not_mention_them() -> None:
    coupling = chain(8, 5)
    plan = planned(coupling, first_half(coupling))
    assert "factors" not in plan.to_json()
    assert plan.selection(coupling).factors is None


def test_factors_may_be_of_axes_that_lost_nothing() -> None:
    coupling = chain(3)
    plan = replace(
        planned(coupling, coupling.everything()),
        factors={"c1.weight": {"1": np.array([2.0, 1.0, 0.5])}},
    )
    selection = plan.selection(coupling)
    assert selection.factors is not None
    assert selection.factors[coupling.groups[0].units[0]].tolist() == [2.0, 1.0, 0.5]
