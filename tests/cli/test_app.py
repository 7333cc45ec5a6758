"""The program as a whole: version, help, how fast it starts, what it imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import graphprune
from tests.cli.running import DIGITS, document, run

COMMANDS = ("inspect", "prune", "verify", "bench", "passes", "demo")


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"graphprune {graphprune.__version__}\n")


def test_help_names_every_command_in_order() -> None:
    text = run("--help").stdout
    places = [text.index(f" {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert "{names}" not in result.stdout


def test_help_lists_what_is_registered() -> None:
    # Lists of names wrap, with the frame of the box in between.
    text = " ".join(run("prune", "--help").stdout.replace("│", " ").split())
    assert "pfp, pfp-mixed, pfp-random" in text
    assert "l1, l2" in text
    assert "uniform" in text
    assert "mixed, sample, top" in text


@pytest.mark.parametrize("words", [("bogus",), ("inspect",), ("prune", "--bogus"), ()])
def test_misuse_is_an_error(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_misuse_is_json_where_json_was_asked_for() -> None:
    result = run("prune", DIGITS, "--json", "--bogus")
    assert result.exit_code == 2
    error = document(result)["error"]
    assert error["class"] == "UsageError"
    assert "--bogus" in error["what"]
    assert result.stderr == ""


def imported_by(*words: object) -> set[str]:
    """The modules that a command imports, as Python itself reports them."""
    code = "import sys; sys.argv[0] = 'graphprune'; from graphprune.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines}


def test_help_imports_neither_numpy_nor_onnx() -> None:
    assert not {"numpy", "onnx", "scipy", "networkx"} & imported_by("--help")


def test_inspect_imports_only_what_it_needs() -> None:
    heavy = {"torch", "onnxruntime", "matplotlib", "scipy.stats", "scipy.optimize", "jinja2"}
    assert not heavy & imported_by("inspect", DIGITS)
