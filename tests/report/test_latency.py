"""Measurements in words."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from graphprune.backends.base import Conditions
from graphprune.measure.layers import LayerTime
from graphprune.measure.machine import Machine, Reading, Readings
from graphprune.measure.models import Timing
from graphprune.measure.paired import Comparison
from graphprune.measure.ratio import Verdict
from graphprune.measure.timing import Latency
from graphprune.report import latency
from graphprune.report.latency import Measured
from graphprune.report.tables import console
from tests.measure.test_latency_table import filled


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


READING = Reading((2400.0, 3100.0), {"cpu": 61.0}, 0.5, ())
READINGS = Readings(Machine("Abacus 9000", 2, 2**34, "Linux 6.1", "3.12.1"), READING, READING)


def measured(found: Comparison | Timing, *layers: LayerTime) -> Measured:
    names = ("a.onnx", "b.onnx") if isinstance(found, Comparison) else ("a.onnx",)
    macs = (3_000_000, 1_500_000)[: len(names)]
    return Measured(found, {"x": [4, 3], "s": []}, names, macs, layers)


def shown(*found: Measured) -> list[str]:
    stream = io.StringIO()
    latency.show(console(stream), found)
    return stream.getvalue().splitlines()


def test_one_model_is_shown_with_what_it_ran_on() -> None:
    assert shown(measured(TIMING)) == [
        "on abacus 1.2, wood, fp32, 2 threads, not pinned, random inputs: x [4, 3], s []",
        "A  a.onnx, 3.00 M MACs",
        "   p50 2.00 ms   p95 3.00 ms   p99 4.00 ms   2.00 k samples/s   (1,234 calls)",
        "outputs agree with onnxruntime without optimisation: relative error 1.5e-07",
    ]


def test_two_models_are_shown_with_their_ratio() -> None:
    found = comparison(2.0, "faster")
    lines = shown(measured(found))
    assert lines[0] == "random inputs: x [4, 3], s []"
    assert lines[1:3] == ["A  a.onnx, 3.00 M MACs", f"   {lines[2].strip()}"]
    assert lines[3] == "B  b.onnx, 1.50 M MACs"
    assert lines[5] == f"B is {found.sentence()}, 2.00 times fewer MACs"
    assert lines[6] == found.noise_sentence()
    assert lines[7] == "outputs were not compared"
    assert shown(measured(found), measured(found)) == 2 * lines


def test_the_machine_its_clocks_and_its_temperature_are_shown_before_and_after() -> None:
    lines = shown(measured(replace(TIMING, readings=READINGS, transfers=True)))
    assert lines[0] == (
        "Abacus 9000, 2 cores, 16 GiB, Linux 6.1, Python 3.12.1; "
        "cores 2400 to 3100 MHz, 61 °C, load 0.5"
    )
    assert ", with transfers, random inputs" in lines[1]
    assert lines[-1] == "when all was timed: cores 2400 to 3100 MHz, 61 °C, load 0.5"


def test_layers_are_shown_before_and_after() -> None:
    layers = (LayerTime("stem", 2e-3, 1e-3), LayerTime("extra", None, 5e-4))
    assert [line.split() for line in shown(measured(comparison(2.0, "faster"), *layers))[-3:]] == [
        ["layer", "before", "after", "ratio"],
        ["stem", "2.00", "ms", "1.00", "ms", "2.00"],
        ["extra", "500", "µs"],
    ]
    alone = shown(measured(TIMING, LayerTime("stem", 2e-3, None)))
    assert [line.split() for line in alone[-2:]] == [["layer", "time"], ["stem", "2.00", "ms"]]


def test_documents() -> None:
    one = latency.document(measured(replace(TIMING, readings=READINGS)))
    assert one["throughput"] == pytest.approx(2000)
    assert one["conditions"]["threads"] == 2
    assert one["readings"]["before"]["clocks"] == (2400.0, 3100.0)
    assert one["models"] == ["a.onnx"]
    two = latency.document(measured(comparison(2.0, "faster"), LayerTime("stem", 2e-3, 1e-3)))
    assert two["throughput"] == pytest.approx({"a": 2000, "b": 2000})
    assert two["inputs"] == {"x": [4, 3], "s": []}
    assert two["macs"] == [3_000_000, 1_500_000]
    assert two["layers"] == [{"name": "stem", "before": 2e-3, "after": 1e-3}]
    assert "samples" not in two
    assert latency.document(measured(TIMING), samples=True)["samples"] == [2e-3]


def test_widths_are_shown_with_their_intervals() -> None:
    stream = io.StringIO()
    latency.show_widths(console(stream), filled())
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("; on abacus 1.2, cpu, fp32, 2 threads, not pinned")
    assert lines[1] == "g1, the operations on its channels: a.weight.0, b.weight.1"
    assert [line.split()[0] for line in lines[3:]] == ["8", "16"]
    assert lines[3].split()[-5:] == ["0.500", "0.500", "to", "0.500", "12"]
