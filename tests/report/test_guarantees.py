"""What an allocation promises, as a table."""

from __future__ import annotations

import io
from dataclasses import replace

from graphprune.plan import PlannedGroup
from graphprune.report.guarantees import guarantee_lines, guarantees_table
from graphprune.report.tables import console
from graphprune.scores import Guarantee

GIVEN = (Guarantee("g1", 3.25, 41, 0.5, 1e-16), Guarantee("g2", 0.125, 2, 0.5, 1e-16))


def test_one_line_a_group() -> None:
    file = io.StringIO()
    groups = (PlannedGroup("g1", 16, 12), PlannedGroup("g2", 8, 1))
    console(file).print(guarantees_table(GIVEN, groups))
    assert [line.split() for line in file.getvalue().splitlines()] == [
        ["group", "sensitivity", "draws", "kept", "epsilon"],
        ["g1", "3.250", "41", "12", "of", "16", "0.5"],
        ["g2", "0.125", "2", "1", "of", "8", "0.5"],
    ]


def test_what_they_mean_is_said_once() -> None:
    assert list(guarantee_lines(GIVEN)) == [GIVEN[0].meaning]


def test_where_they_mean_different_things_the_groups_are_named() -> None:
    drawn = replace(GIVEN[0], group="g3", sampled=True)
    whole = replace(GIVEN[0], group="g4", epsilon=0.0)
    assert list(guarantee_lines((*GIVEN, drawn, whole))) == [
        f"g1, g2: {GIVEN[0].meaning}",
        f"g3: {drawn.meaning}",
        f"g4: {whole.meaning}",
    ]
