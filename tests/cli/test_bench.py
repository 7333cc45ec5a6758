"""``graphprune bench``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import DIGITS, document, net, run, saved

SHORT = ("--seconds", "0.1")


def test_one_model() -> None:
    result = run("bench", DIGITS, *SHORT)
    assert result.exit_code == 0
    assert "images [1, 1, 8, 8]" in result.stdout
    assert "p50 " in result.stdout
    found = document(run("bench", DIGITS, *SHORT, "--threads", "1", "--json"))
    assert found["latency"]["calls"] > 1
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"]
    assert found["inputs"] == {"images": [1, 1, 8, 8]}


def test_two_models() -> None:
    result = run("bench", DIGITS, DIGITS, *SHORT)
    assert result.exit_code == 0
    assert "B is " in result.stdout
    assert "interval" in result.stdout
    found = document(run("bench", DIGITS, DIGITS, *SHORT, "--json"))
    assert found["low"] <= found["speedup"] <= found["high"]


def test_shapes_that_are_left_open(tmp_path: Path) -> None:
    path = saved(tmp_path, net(size="S"))
    found = document(run("bench", path, *SHORT, "--shape", "x:2x3x5x5", "--json"))
    assert found["inputs"] == {"x": [2, 3, 5, 5]}


def test_quiet_says_nothing() -> None:
    assert run("bench", DIGITS, *SHORT, "-q").stdout == ""


def test_models_with_other_inputs(tmp_path: Path) -> None:
    result = run("bench", DIGITS, saved(tmp_path, net()), *SHORT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("BadData: the models take different inputs")


def test_models_that_cannot_be_run(tmp_path: Path) -> None:
    result = run("bench", saved(tmp_path, net(foreign=True)), *SHORT)
    assert result.exit_code == 2
    assert result.stderr.startswith("BackendError: cannot build a session")
    assert run("bench", DIGITS, "--seconds", "0").exit_code == 2
    assert run("bench", DIGITS, "--threads", "0").exit_code == 2
