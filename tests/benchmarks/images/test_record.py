"""Records: one line a measurement, kept as soon as it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks.images.record import Record, spread, table, write_csv


def test_a_record_knows_what_was_measured_before(tmp_path: Path) -> None:
    path = tmp_path / "results" / "runs.jsonl"
    Record(path, ["method", "seed"]).add({"method": "l1", "seed": 0, "accuracy": 50.0})
    found = Record(path, ["method", "seed"])
    assert {"method": "l1", "seed": 0} in found
    assert {"method": "l1", "seed": 1} not in found


def test_a_line_replaces_the_one_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    record = Record(path, ["method"])
    for accuracy in (1.0, 2.0):
        record.add({"method": "l1", "accuracy": accuracy})
    assert record.lines == [{"method": "l1", "accuracy": 2.0}]
    assert len(path.read_text().splitlines()) == 2
    record.tidy()
    assert path.read_text() == '{"method": "l1", "accuracy": 2.0}\n'


def test_a_table_has_the_columns_of_all_lines(tmp_path: Path) -> None:
    write_csv(tmp_path / "runs.csv", [{"a": 1}, {"a": 2, "b": 3}])
    assert (tmp_path / "runs.csv").read_text() == "a,b\n1,\n2,3\n"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_several_draws_are_a_mean_and_a_deviation() -> None:
    assert spread([]) == "–"
    assert spread([90.0]) == "90.00"
    assert spread([1.0, 2.0, 3.0]) == "2.00 ± 1.00"
