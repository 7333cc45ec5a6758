"""Measurements in words."""

from __future__ import annotations

import io

import pytest

from graphprune.backends.base import Conditions
from graphprune.measure.models import Timing
from graphprune.measure.paired import Comparison
from graphprune.measure.ratio import Verdict
from graphprune.measure.timing import Latency
from graphprune.report import latency
from graphprune.report.tables import console


def comparison(speedup: float, verdict: Verdict) -> Comparison:
    a, b = Latency(2e-3, 3e-3, 4e-3, 2e-3, 100), Latency(2e-3 / speedup, 3e-3, 4e-3, 2e-3, 100)
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


CONDITIONS = Conditions("abacus", "1.2", "wood", "fp32", 2)
TIMING = Timing(Latency(2e-3, 3e-3, 4e-3, 2e-3, 1234), CONDITIONS, 1.5e-7, [2e-3])


def shown(*found: Comparison | Timing) -> list[str]:
    stream = io.StringIO()
    inputs = [{"x": [4, 3], "s": []} for _ in found]
    latency.show(console(stream), found, inputs)
    return stream.getvalue().splitlines()


def test_one_model_is_shown_with_what_it_ran_on() -> None:
    assert shown(TIMING) == [
        "on abacus 1.2, wood, fp32, 2 threads, not pinned, random inputs: x [4, 3], s []",
        "p50 2.00 ms   p95 3.00 ms   p99 4.00 ms   2.00 k samples/s   (1,234 calls)",
        "outputs agree with onnxruntime without optimisation: relative error 1.5e-07",
    ]


def test_two_models_are_shown_with_their_ratio() -> None:
    found = comparison(2.0, "faster")
    lines = shown(found)
    assert lines[0] == "random inputs: x [4, 3], s []"
    assert lines[1].startswith("A  p50 2.00 ms")
    assert lines[3] == f"B is {found.sentence()}"
    assert lines[4] == found.noise_sentence()
    assert lines[5] == "outputs were not compared"
    assert shown(found, found) == 2 * lines


def test_documents() -> None:
    inputs = {"s": [], "x": [4, 3]}
    one = latency.document(TIMING, inputs)
    assert one["throughput"] == pytest.approx(2000)
    assert one["conditions"]["threads"] == 2
    two = latency.document(comparison(2.0, "faster"), inputs)
    assert two["throughput"] == pytest.approx({"a": 2000, "b": 2000})
    assert two["inputs"] == inputs
    assert "samples" not in two
