"""The budgets of a schedule's steps."""

from __future__ import annotations

import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData
from graphprune.training.targets import targets

FULL = {"macs": 1_000_000.0, "params": 5000.0, "memory": 100.0}


def test_a_single_amount_is_reached_on_a_geometric_sequence() -> None:
    found = [b.macs for b in targets({"macs": 0.0625}, 4, FULL, {})]
    assert found == pytest.approx([0.5, 0.25, 0.125, 0.0625], rel=1e-15)


def test_the_last_step_has_the_amount_itself() -> None:
    assert targets({"macs": 0.3}, 7, FULL, {})[-1] == Budget(macs=0.3)


def test_there_are_four_steps_unless_said_otherwise() -> None:
    assert len(targets({"macs": 0.5}, None, FULL, {})) == 4


def test_absolute_amounts_become_fractions() -> None:
    found = targets({"macs": "250k", "params": 2500}, 2, FULL, {})
    assert found == (Budget(macs=0.5, params=2**-0.5), Budget(macs=0.25, params=0.5))


def test_the_sequence_starts_at_what_is_left() -> None:
    found = [b.macs for b in targets({"macs": 0.2}, 2, FULL, {"macs": 0.8})]
    assert found == pytest.approx([0.4, 0.2], rel=1e-15)


def test_what_is_met_already_is_asked_in_every_step() -> None:
    assert targets({"macs": 0.5}, 2, FULL, {"macs": 0.3}) == (Budget(macs=0.5),) * 2


def test_a_list_has_one_amount_a_step() -> None:
    found = targets({"macs": [0.8, "50%", 0.3], "params": 0.125}, None, FULL, {})
    assert [b.macs for b in found] == [0.8, 0.5, 0.3]
    assert [b.params for b in found] == pytest.approx([0.5, 0.25, 0.125], rel=1e-15)


def test_a_list_that_grows_is_refused() -> None:
    with pytest.raises(BadData) as error:
        targets({"macs": [0.5, 0.6]}, None, FULL, {})
    assert str(error.value) == (
        "BadData: the budgets 'macs' grow from step to step\n"
        "  why:   what is removed does not come back\n"
        "  fix:   list them in descending order"
    )


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadData, match="how many steps") as error:
        targets({"macs": [0.5, 0.4], "params": [0.5]}, None, FULL, {})
    assert error.value.why == "budgets and steps= say 1 and 2"


def test_a_number_of_steps_that_is_not_the_list_s_is_refused() -> None:
    with pytest.raises(BadData, match="how many steps"):
        targets({"macs": [0.5, 0.4]}, 3, FULL, {})


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(steps: int) -> None:
    with pytest.raises(BadData, match="at least one step"):
        targets({"macs": 0.5}, steps, FULL, {})


def test_no_budget_is_refused() -> None:
    with pytest.raises(BadData, match="needs a budget"):
        targets({"macs": None}, 2, FULL, {})
