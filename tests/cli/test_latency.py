"""``graphprune latency``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphprune.cli.latency import read_widths
from graphprune.errors import BadData
from tests.cli.running import DIGITS, document, run

SHORT = ("--rounds", "3", "--block", "0.001", "--threads", "1")


@pytest.mark.parametrize(
    ("text", "widths"),
    [("8:64:8", [8, 16, 24, 32, 40, 48, 56, 64]), ("8:20:8", [8, 16]), ("3:5", [3, 4, 5]),
     ("16,8,16", [8, 16]), ("7", [7])],
)  # fmt: skip
def test_widths(text: str, widths: list[int]) -> None:
    assert read_widths(text) == widths


@pytest.mark.parametrize("text", ["", "8:", "8:4", "8:16:0", "1:2:3:4", "a", "8;16", "1:9999"])
def test_what_names_no_widths(text: str) -> None:
    with pytest.raises(BadData, match="widths"):
        read_widths(text)


def test_a_table_is_kept_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    words = ("latency", DIGITS, "--group", "g2", *SHORT, "-o", path, "--widths")
    assert "of full width" in run(*words, "4:8:4").stdout
    first = json.loads(path.read_text())
    assert first["format"] == "graphprune.latency/1"
    assert [point["width"] for point in first["points"]][:2] == [4, 8]
    again = document(run(*words, "4:12:4", "--json"))
    assert again["rounds"][:3] == first["rounds"]
    assert [point["width"] for point in again["points"]][:3] == [4, 8, 12]
    assert str(tmp_path) not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    words = ("latency", DIGITS, *SHORT, "-o", path, "--widths", "4", "--group")
    assert run(*words, "g2", "-q").stdout == ""
    result = run(*words, "g3")
    assert result.exit_code == 2
    assert result.stderr.startswith("BadData: the table is about something else")
    absent = run(*words, "g3", "-o", tmp_path / "absent" / "table.json")
    assert absent.stderr.startswith("BadData: the table cannot be written")


def test_the_staircase_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "stairs.svg"
    run("latency", DIGITS, "--group", "g2", "--widths", "4,8", *SHORT, "-q", "--plot", path)
    assert "in proportion to the width" in path.read_text()


def test_a_group_that_is_not_there() -> None:
    result = run("latency", DIGITS, "--group", "stem", "--widths", "4", *SHORT)
    assert result.exit_code == 2
    assert result.stderr.startswith("BadData: the model has no group 'stem'")
