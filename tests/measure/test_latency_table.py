"""Tables of times by width: what the rounds say, and the file they are kept in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from graphprune.backends.base import Conditions
from graphprune.errors import BadData
from graphprune.measure.latency_table import FORMAT, LatencyTable, Subject
from graphprune.measure.machine import Gpu, Machine, Reading, Readings

SUBJECT = Subject(
    model="abc",
    group="g1",
    width=16,
    members=("a.weight.0", "b.weight.1"),
    whole=False,
    inputs={"x": (1, 3, 8, 8)},
    conditions=Conditions("abacus", "1.2", "cpu", "fp32", 2),
    machine="Abacus 9000",
)
EMPTY = LatencyTable(SUBJECT, Machine("Abacus 9000", 2, None, "Linux 6.1", "3.12.1"))


def filled(rounds: int = 12) -> LatencyTable:
    """Width 8 takes half as long as 16, on a machine that becomes slower all the while."""
    table = EMPTY
    rng = np.random.default_rng(0)
    for at in range(rounds):
        slow = (1 + 0.1 * at) * float(rng.uniform(0.99, 1.01))
        table = table.with_round({8: 1e-3 * slow, 16: 2e-3 * slow})
    return table


def test_ratios_are_of_one_round_so_a_machine_that_drifts_does_not_change_them() -> None:
    half, full = filled().points
    assert (half.width, full.width) == (8, 16)
    assert half.ratio == pytest.approx(0.5, rel=1e-9)
    assert half.ratio_high - half.ratio_low < 1e-6
    assert (full.ratio, full.ratio_low, full.ratio_high) == (1.0, 1.0, 1.0)
    assert half.low < half.seconds < half.high
    assert half.high / half.low > 1.2  # the drift is in the times themselves


def test_an_interrupted_round_weighs_no_more_than_others() -> None:
    table = filled().with_round({8: 1.0, 16: 2e-3})
    assert table.point(8).ratio == pytest.approx(0.5, rel=0.01)


def test_widths_that_were_timed_too_rarely_have_no_point() -> None:
    table = filled().with_round({4: 5e-4, 16: 2e-3})
    assert table.widths == (4, 8, 16)
    assert [table.count(width) for width in table.widths] == [1, 12, 13]
    assert [point.width for point in table.points] == [8, 16]
    with pytest.raises(KeyError):
        table.point(4)
    assert EMPTY.points == ()


def test_a_table_is_read_as_it_was_written() -> None:
    machine = EMPTY.machine
    before = Reading((2e3,), {"cpu": 40.0}, 0.5, (Gpu("H", "5", 1e3, 2e3, 30.0, 90.0, False),))
    after = Reading((), {}, None, ())
    table = filled().with_readings(Readings(machine, before, after))
    again = LatencyTable.from_json(table.to_json())
    assert again == table
    assert again.points == table.points
    assert json.loads(table.to_json())["points"][0]["ratio"] == pytest.approx(0.5)


def changed(**parts: Any) -> str:
    return json.dumps({**json.loads(filled().to_json()), **parts})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"format": 3}', changed(format="graphprune.latency/9"),
     changed(rounds=[{"8": -1.0}]), changed(rounds=[{"eight": 1.0}]), changed(rounds=[{"8": "x"}]),
     changed(subject={"model": "abc"}), changed(machine={}), changed(readings=[{}])],
)  # fmt: skip
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(BadData, match="the file is no latency table"):
        LatencyTable.from_json(text)


def test_the_format_is_named() -> None:
    assert json.loads(EMPTY.to_json())["format"] == FORMAT == "graphprune.latency/1"
