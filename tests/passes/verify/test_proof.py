"""Verdicts: errors, tolerances, what counts as proven."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphprune.passes.verify import Comparison, Proof, Replay, tolerance
from graphprune.passes.verify.proof import relative_error

NAN, INF = float("nan"), float("inf")
HOLDS = Replay(True, 12)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ({"float64"}, 1e-9),
        ({"float32", "int64"}, 1e-5),
        ({"float32", "float64"}, 1e-5),
        ({"float32", "float16"}, 1e-2),
        ({"bfloat16", "float32"}, 8e-2),
        ({"int8"}, 1e-5),
        (set(), 1e-5),
    ],
)
def test_the_coarsest_type_decides(dtypes: set[str], expected: float) -> None:
    assert tolerance(dtypes) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([1e-9, 2.0], [0.0, 2.0], 5e-10),
        ([0.25], [0.0], 0.25),
        ([1.0, NAN], [1.0, NAN], 0.0),
        ([1.0, INF], [1.0, INF], 0.0),
        ([1.0, INF], [1.0, -INF], INF),
        ([1.0, INF], [1.0, NAN], INF),
        ([1.0, NAN], [1.0, 2.0], INF),
        ([1.0], [1.0, 1.0], INF),
        ([], [], 0.0),
    ],
)
def test_errors_are_relative_to_the_largest_number(
    a: list[float], b: list[float], expected: float
) -> None:
    assert relative_error(np.array(a), np.array(b)) == expected


def test_integers_booleans_and_texts() -> None:
    assert relative_error(np.array([1, 4]), np.array([1, 5])) == pytest.approx(0.2)
    assert relative_error(np.array([True]), np.array([False])) == 1.0
    assert relative_error(np.array([0], np.uint8), np.array([255], np.uint8)) == 1.0
    assert relative_error(np.array(["a"]), np.array(["a"])) == 0.0
    assert relative_error(np.array(["a"]), np.array(["b"])) == INF


def test_the_worst_output_counts() -> None:
    assert Comparison({"a": 1e-7, "b": 3e-6}, 2).worst == 3e-6
    assert Comparison({}, 2).worst == 0.0


@pytest.mark.parametrize(
    ("error", "ok"), [(0.0, True), (1e-5, True), (1.1e-5, False), (INF, False), (NAN, False)]
)
def test_a_proof_holds_up_to_its_tolerance(error: float, ok: bool) -> None:
    assert Proof(HOLDS, Comparison({"y": error}, 1), 1e-5, {}).ok is ok


def test_labels_alone_may_hold_or_fail() -> None:
    assert Proof(HOLDS, None, 1e-5, {}, why_not_run="asked not to run").ok
    assert not Proof(Replay(False, 0, ("shapes",)), None, 1e-5, {}).ok
    assert not Proof(Replay(False, 0, ("shapes",)), Comparison({"y": 0.0}, 1), 1e-5, {}).ok


def test_a_proof_is_json() -> None:
    comparison = Comparison({"y": 2e-7}, 3, 1, "float64", 4e-4)
    proof = Proof(HOLDS, comparison, 1e-9, {"g1": ("layer norm 'n'",)}, 0.1, ("g2",))
    assert json.loads(json.dumps(proof.to_dict())) == {
        "ok": False,
        "replay": {"ok": True, "operations": 12, "failures": []},
        "masked": {
            "worst_relative_error": 2e-7,
            "errors": {"y": 2e-7},
            "runs": 3,
            "given": 1,
            "precision": "float64",
            "rounding": 4e-4,
            "tolerance": 1e-9,
        },
        "approximate": {"g1": ["layer norm 'n'"]},
        "approximate_shift": 0.1,
        "left_out": ["g2"],
        "why_not_run": None,
    }
    silent = Proof(HOLDS, None, 1e-5, {}, why_not_run="asked not to run").to_dict()
    assert (silent["masked"], silent["why_not_run"]) == (None, "asked not to run")
