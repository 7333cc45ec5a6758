"""Stages on stderr."""

from __future__ import annotations

import re

import pytest

from graphprune.cli.progress import Stages


def shown(capsys: pytest.CaptureFixture[str], *, quiet: bool, verbose: bool) -> str:
    with Stages(quiet=quiet, verbose=verbose) as stage:
        stage("first")
        stage("second")
        stage.share(0.5)
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_nothing_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, quiet=False, verbose=False) == ""
    assert shown(capsys, quiet=True, verbose=True) == ""


def test_verbose_leaves_a_line_for_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, quiet=False, verbose=True)
    assert re.fullmatch(r" +0\.0\d s  first\n +0\.0\d s  second\n", text)


def test_a_terminal_shows_the_stage_and_is_left_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    text = shown(capsys, quiet=False, verbose=False)
    assert "second" in text
    assert text.endswith("\x1b[2K")
