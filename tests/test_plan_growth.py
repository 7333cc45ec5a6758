"""Plans that hold channels which the model has not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.copies import copies_of
from graphprune.errors import PlanMismatch
from graphprune.groups import Coupling
from graphprune.plan import Plan, Source
from tests.networks import chain, concat, two_rows


def planned(coupling: Coupling, **widths: int) -> Plan:
    return Plan.of(
        coupling,
        copies_of(coupling, widths),
        source=Source("torch", "0123456789abcdef" * 4, "Net"),
        method={"allocation": "preconfig"},
        budget=Budget(params=0.8),
        seed=3,
    )


def test_new_channels_are_written_as_minus_one() -> None:
    plan = planned(chain(4, 3), g1=6, g2=2)
    assert plan.grows
    assert plan.text() == "g1 4 -> 6\ng2 3 -> 2"
    assert plan.kept["c0.weight"]["0"].tolist() == [0, 1, 2, 3, -1, -1]
    assert plan.kept["c1.weight"]["1"].tolist() == [0, 1, 2, 3, -1, -1]


def test_the_file_keeps_them() -> None:
    plan = planned(chain(4, 3), g1=6, g2=2)
    again = Plan.from_json(plan.to_json())
    assert again.to_json() == plan.to_json()
    assert again.groups == plan.groups


@pytest.mark.parametrize("make", [lambda: chain(4, 3), concat], ids=["chain", "concat"])
def test_a_fresh_copy_gets_the_same_widths(make: object) -> None:
    coupling: Coupling = make()  # type: ignore[operator]
    widths = {g.name: g.width + 3 if i % 2 else 1 for i, g in enumerate(coupling)}
    plan = Plan.from_json(planned(coupling, **widths).to_json())
    again: Coupling = make()  # type: ignore[operator]
    np.testing.assert_array_equal(plan.copies(again), copies_of(again, widths))


def test_rows_may_shrink_beside_groups_that_grow() -> None:
    coupling = two_rows(2)
    rows = next(g for g in coupling if g.rows > 1)
    plain = [g for g in coupling if g.rows == 1]
    widths = {rows.name: 1, **{g.name: g.width + 1 for g in plain}}
    plan = planned(coupling, **widths)
    np.testing.assert_array_equal(plan.copies(coupling), copies_of(coupling, widths))


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_nothing_is_narrowed_by_them(kind: str) -> None:
    coupling = chain(4, 3)
    with pytest.raises(PlanMismatch) as caught:
        planned(coupling, g1=6).alive(coupling, kind)
    assert str(caught.value).splitlines() == [
        "PlanMismatch: the plan makes layers wider than they are",
        "  where: g1 4 -> 6",
        "  why:   new channels need fresh weights, and "
        + ("a file has none to give" if kind == "onnx" else "pruning has none to give"),
        "  fix:   rebuild the module by the plan and export that: "
        "graphprune.apply(module, plan, example_inputs).model",
    ]


def test_another_model_is_refused() -> None:
    plan = planned(chain(4, 3), g1=6)
    with pytest.raises(PlanMismatch, match="the plan keeps index"):
        plan.copies(chain(3, 3))
    with pytest.raises(PlanMismatch, match="the model has no parameter"):
        plan.copies(concat())


def test_channels_that_contradict_each_other_are_refused() -> None:
    coupling = chain(4, 3)
    plan = planned(coupling, g1=6)
    fewer = {**plan.kept, "c1.weight": {"1": plan.kept["c1.weight"]["1"][:-1]}}
    with pytest.raises(PlanMismatch, match="are not those of what it is coupled with"):
        replace(plan, kept=fewer).copies(coupling)


def test_groups_that_contradict_their_parameters_are_refused() -> None:
    coupling = chain(4, 3)
    plan = planned(coupling, g1=6)
    groups = (replace(plan.groups[0], kept=7), *plan.groups[1:])
    with pytest.raises(PlanMismatch, match="the groups of the plan are not those of the model"):
        replace(plan, groups=groups).copies(coupling)
