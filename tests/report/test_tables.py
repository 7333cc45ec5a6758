"""Tables and short lists."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from graphprune.cost import Cost
from graphprune.inspection import inspect
from graphprune.plan import PlannedGroup
from graphprune.report import tables
from tests.report.drawn import DIGITS, digits, mixed


def drawn(table: Table, width: int = 100) -> list[str]:
    """The lines of a table in a terminal."""
    file = io.StringIO()
    console = tables.console(file)
    console.width = width
    console.print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_groups_table() -> None:
    lines = drawn(tables.groups_table(mixed(), 100))
    assert lines[:4] == [
        "group  width  rows  produced by    read by        axes   MACs",
        "g1         4    ×2  stem           /grouped/Conv     2  61.5%",
        "g2         4    ×2  /grouped/Conv  up                3  44.8%",
        "g3         6        up             mlp.0             2  27.1%",
    ]
    assert lines[4].startswith("g4 ≈      12")


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_groups_fit_the_terminal(width: int) -> None:
    lines = drawn(tables.groups_table(digits(), width), width)
    assert len(lines) == 10
    assert max(map(len, lines)) <= width


def test_macs_shares_count_a_mac_for_every_group_it_reads_or_writes() -> None:
    shares = tables.macs_shares(mixed().cost_model)
    assert sum(shares.values()) > 1
    assert all(0 < share < 1 for share in shares.values())


def test_coverage() -> None:
    lines = list(tables.coverage_lines(mixed()))
    assert lines[0] == (
        "results of 4 of 4 convolutions and 1 of 2 linear layers and 1 of 1 recurrent layer "
        "can be narrowed: 5 groups; 2 axes frozen"
    )
    assert lines[1].startswith("≈ ")
    kept = inspect(DIGITS, keep=["stage1*"])
    assert "kept whole as asked: g1, g2, g3" in list(tables.coverage_lines(kept))


def test_frozen_lines() -> None:
    assert list(tables.frozen_lines(mixed().coupling, 100, None)) == [
        "stem axis 1 (3): 'x' is an input of the graph",
        "head axis 1 (4): 'y' is an output of the graph",
    ]
    assert list(tables.frozen_lines(mixed().coupling, 100, 1))[1:] == [
        "… and 1 more reason (--all)"
    ]


def test_inputs() -> None:
    assert list(tables.input_lines(digits(), ["images"])) == [
        "images: float32[1,1,8,8] (assumed; give it with --shape)"
    ]
    assert list(tables.input_lines(digits(), [])) == ["images: float32[1,1,8,8]"]


def test_cost_table() -> None:
    before, after = Cost(1000, 2_000_000, 4000), Cost(500, 1_000_000, 4000)
    table = tables.cost_table(before, after, (10_000, 6_000), ("2.00 ms", "1.00 ms", "2.0×"))
    assert drawn(table) == [
        "              before    after  change",
        "parameters    1.00 k      500  −50.0%",
        "MACs          2.00 M   1.00 M  −50.0%",
        "activations  4.00 kB  4.00 kB   +0.0%",
        "file         10.0 kB  6.00 kB  −40.0%",
        "latency      2.00 ms  1.00 ms    2.0×",
    ]


def test_widths_table() -> None:
    lines = drawn(tables.widths_table([PlannedGroup("g1", 64, 48, 12, ("layer norm 'n'",))]))
    assert lines == ["group   width    kept  change", "g1 ≈   64 ×12  48 ×12  −25.0%"]


def test_a_pipe_has_room_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert tables.console(io.StringIO()).width == 120
    monkeypatch.setenv("COLUMNS", "70")
    assert tables.console(io.StringIO()).width == 70
