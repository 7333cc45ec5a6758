"""Outcomes of a pruning on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

from graphprune.compiler import prune
from graphprune.report.outcome import Outcome, show
from graphprune.report.tables import console
from tests.report.drawn import DIGITS


def shown(outcome: Outcome, *, verbose: bool = False) -> str:
    file = io.StringIO()
    more = [("accuracy", "99.4%", "99.2%", "−0.2 points")]
    show(console(file), outcome, verbose=verbose, more=more)
    return file.getvalue()


def test_costs_proof_notes_and_files() -> None:
    result = prune(DIGITS, channels=0.45, round_to=8, run=False)
    text = shown(Outcome(result, Path("out.onnx"), (2000, 1000), untimed="no engine: gone"))
    assert "file         2.00 kB  1.00 kB       −50.0%" in text
    assert "accuracy       99.4%    99.2%  −0.2 points" in text
    assert "\nnot timed: no engine: gone\nproven on labels\n" in text
    assert "\nnote: g1: asked " in text
    assert text.endswith("wrote out.onnx and out.plan.json\n")


def test_verbose_lists_the_groups() -> None:
    result = prune(DIGITS, channels=0.5, run=False)
    assert shown(Outcome(result, None), verbose=True).startswith("group  width  kept  change\n")
