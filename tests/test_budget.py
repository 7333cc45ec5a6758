"""Budgets: what is read, what is refused, and what a fraction resolves to."""

from __future__ import annotations

import pytest

from graphprune.budget import Bounds, Budget, parse_amount
from graphprune.cost import Cost
from graphprune.errors import BadData


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.5", 0.5),
        (".25", 0.25),
        ("1", 1.0),
        ("50%", 0.5),
        ("12.5 %", 0.125),
        ("100%", 1.0),
        ("4k", 4e3),
        ("300M", 3e8),
        ("1.2G", 1.2e9),
        ("2T", 2e12),
        ("300MB", 3e8),
        ("64Mi", 64 * 2**20),
        (" 64 KiB ", 64 * 2**10),
        ("1000000", 1e6),
        ("0.5k", 500.0),
    ],
)
def test_amounts(text: str, amount: float) -> None:
    assert parse_amount(text) == pytest.approx(amount)


@pytest.mark.parametrize(
    "text", ["", "half", "-0.5", "0", "0%", "150%", "1e3", "5Q", "5i", "0.0005k", "nan", "50%%"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadData):
        parse_amount(text)


def test_the_refusal_says_what_to_write() -> None:
    with pytest.raises(BadData) as caught:
        parse_amount("half")
    assert str(caught.value) == (
        "BadData: 'half' is not a budget\n"
        "  fix:   give a fraction (0.5 or 50%) or an absolute number above 1 "
        "(1.2G, 300M, 4k, 64MiB)"
    )


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "0.5", [1]])
def test_bounds_must_be_positive_numbers(value: float) -> None:
    with pytest.raises(BadData, match="the budget 'macs' cannot be"):
        Budget(macs=value)


def test_channels_are_a_fraction() -> None:
    with pytest.raises(BadData, match="the budget 'channels' cannot be 8") as caught:
        Budget(channels=8)
    assert "at most 1" in str(caught.value)


def test_a_budget_is_parsed_by_name() -> None:
    budget = Budget.parse({"macs": "50%", "params": 4000, "memory": None})
    assert budget == Budget(macs=0.5, params=4000)
    assert budget.to_dict() == {"macs": 0.5, "params": 4000.0}
    with pytest.raises(BadData, match="no budget is called 'flops'"):
        Budget.parse({"flops": 1})


def test_fractions_resolve_against_the_whole_network() -> None:
    full = Cost(params=1001, macs=5000, memory=64)
    bounds = Budget(params=0.5, macs=1200.9, channels=0.25).resolve(full)
    assert bounds == Bounds(params=500, macs=1200, channels=0.25)
    assert Budget(macs=1).resolve(full).macs == 5000


def test_bounds_say_what_exceeds_them() -> None:
    bounds = Bounds(params=500, memory=64)
    assert bounds.exceeded(Cost(params=500, macs=9, memory=64)) == ()
    assert bounds.exceeded(Cost(params=501, macs=9, memory=65)) == ("params", "memory")
    assert bounds.use(Cost(params=250, macs=9, memory=48)) == 0.75
    assert Bounds().use(Cost(1, 1, 1)) == 0.0
