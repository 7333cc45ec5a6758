"""Charts of measurements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graphprune.errors import BadData
from graphprune.measure.layers import LayerTime
from graphprune.report import charts
from graphprune.report.latency import Measured
from tests.measure.test_latency_table import EMPTY, filled
from tests.report.test_latency import CONDITIONS, TIMING, comparison

pytest.importorskip("matplotlib")


def pair(name: str, batch: int, speedup: float, macs: int, *layers: LayerTime) -> Measured:
    found = replace(comparison(speedup, "faster"), conditions=CONDITIONS)
    return Measured(found, {"x": [batch, 3]}, ("a.onnx", name), (4000, macs), layers)


def drawn(axes: Any) -> list[list[tuple[float, float]]]:
    """Points and intervals of every series with an interval."""
    return [
        [(round(x, 6), round(y, 6)) for x, y in series.lines[0].get_xydata().tolist()]
        for series in axes.containers
        if hasattr(series, "has_yerr")
    ]


def test_one_pair_is_drawn_over_its_batch_sizes_beside_the_ratio_of_macs() -> None:
    figure = charts.speedups([pair("b.onnx", 1, 1.5, 2000), pair("b.onnx", 8, 1.8, 2000)])
    [axes] = figure.axes
    assert axes.get_xlabel() == "batch size"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "8"]
    assert drawn(axes) == [[(0.0, 1.5), (1.0, 1.8)]]
    assert [2.0, 2.0] in [list(line.get_ydata()) for line in axes.lines]


def test_several_models_are_drawn_against_the_ratio_of_their_macs() -> None:
    found = [pair("b.onnx", 1, 1.5, 2000), pair("c.onnx", 1, 3.0, 1000)]
    [axes] = charts.speedups([*found, pair("c.onnx", 8, 3.5, 1000)]).axes
    assert axes.get_xlabel() == "MACs before / after"
    assert drawn(axes) == [[(2.0, 1.5), (4.0, 3.0)], [(4.0, 3.5)]]


def test_layers_have_two_bars_each() -> None:
    layers = (LayerTime("stem", 2e-3, 1e-3), LayerTime("extra", None, 5e-4))
    _, axes = charts.speedups([pair("b.onnx", 1, 1.5, 2000, *layers)]).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([2.0, 0.0, 1.0, 0.5])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["stem", "extra"]


def test_one_model_has_no_speedup() -> None:
    with pytest.raises(BadData, match="a plot shows one model against another"):
        charts.speedups([Measured(TIMING, {}, ("a.onnx",), (1,))])


def test_a_staircase_has_its_widths_and_a_line_in_proportion() -> None:
    table = filled()
    [axes] = charts.staircase(table).axes
    [points] = drawn(axes)
    assert [x for x, _ in points] == [8, 16]
    assert points[1][1] == pytest.approx(1e3 * table.point(16).seconds, abs=1e-6)
    assert axes.get_xlabel() == "channels of g1"
    assert [0, 16] in [list(line.get_xdata()) for line in axes.lines]
    with pytest.raises(BadData, match="no width"):
        charts.staircase(EMPTY)
