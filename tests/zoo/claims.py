"""What is claimed of every real model that is pruned to half of its MACs."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.mark import ParameterSet

import graphprune
from benchmarks.zoo.coverage import sides
from benchmarks.zoo.survey import covered

ROOT = Path(__file__).resolve().parents[2]
MACS = 0.5
SLACK = 0.02  # how much of the budget may be left, where widths are fine enough
COVERAGE = 0.95  # of a network's convolutions, both sides narrowable


def files(folder: Path, why_none: str) -> list[Path | ParameterSet]:
    """The models of a folder, as parameters; one that is skipped where there are none."""
    found: list[Path | ParameterSet] = list(sorted(folder.glob("*.onnx")))
    reason = f"no .onnx files in {os.path.relpath(folder, ROOT)}: {why_none}"
    return found or [pytest.param(folder, marks=pytest.mark.skip(reason=reason))]


def title(path: object) -> str:
    """A test's name for a model."""
    return path.name.removesuffix(".onnx") if isinstance(path, Path) else str(path)


def assert_proven(result: graphprune.Result, error: float) -> None:
    """The labels meet and the outputs equal the masked original's."""
    proof = result.proof
    assert proof.replay.ok, proof.replay.failures
    assert proof.replay.checked > 0
    assert proof.masked is not None, proof.why_not_run
    assert proof.masked.runs > 0
    assert proof.masked.worst <= error
    assert proof.ok


def assert_on_budget(result: graphprune.Result, *, coarse: bool = False) -> None:
    """The budget is kept and used up: all but 2 %, or until no channel more would fit."""
    before, after = result.cost
    limit = math.floor(MACS * before.macs)
    assert after.macs <= limit
    if not coarse:
        assert after.macs >= (1 - SLACK) * limit
        return
    model = result.inspection.cost_model
    kept = np.array([group.kept for group in result.plan.groups], dtype=np.int64)
    for number in np.flatnonzero(kept < model.widths):
        more = kept.copy()
        more[number] += 1
        assert model.evaluate(more).macs > limit, result.plan.groups[number].name


def assert_covered(inspection: graphprune.Inspection[Any]) -> None:
    """Nearly every convolution is narrowable on both sides, and the rest says why not."""
    judged = sides(inspection.coupling)
    convs, every = covered(judged, "conv")
    assert every > 0
    assert convs >= COVERAGE * every
    silent = [s for s in judged if not s.free and not s.bound and not s.reasons]
    assert silent == []
