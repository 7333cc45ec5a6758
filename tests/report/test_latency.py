"""Measurements in words."""

from __future__ import annotations

import pytest

from graphprune.measure.paired import Comparison, Verdict
from graphprune.measure.timing import Latency
from graphprune.report import latency


def comparison(speedup: float, verdict: Verdict) -> Comparison:
    a, b = Latency(2e-3, 3e-3, 100), Latency(2e-3 / speedup, 3e-3, 100)
    return Comparison(speedup, speedup - 0.1, speedup + 0.1, 0.01, verdict, 20, 3.0, a, b, 0.95)


@pytest.mark.parametrize(
    ("speedup", "verdict", "cell"),
    [(2.0, "faster", "2.00× faster"), (0.5, "slower", "2.00× slower"), (1.0, "same", "the same"),
     (1.1, "inconclusive", "inconclusive")],
)  # fmt: skip
def test_cells(speedup: float, verdict: Verdict, cell: str) -> None:
    found = latency.cells(comparison(speedup, verdict))
    assert found[0] == "2.00 ms"
    assert found[2] == cell


def test_lines_give_the_interval_and_the_noise() -> None:
    assert latency.lines(comparison(2.0, "faster")) == (
        "timed in 20 rounds by turns on onnxruntime: speed-up 2.00, 95% interval 1.90 to 2.10",
        "  timed against itself the original differs by up to 1.0%",
    )


def test_percentiles() -> None:
    found = latency.percentiles([i / 1000 for i in range(1, 101)])
    assert found["calls"] == 100
    assert found["p50"] == pytest.approx(0.0505)
    assert list(found) == ["p50", "p90", "p95", "p99", "calls"]
