"""Charts of what was measured: speed-ups, layers before and after, the staircase of widths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphprune.errors import BadData
from graphprune.measure.latency_table import LatencyTable
from graphprune.measure.paired import Comparison
from graphprune.report import figures
from graphprune.report.latency import Measured
from graphprune.report.numbers import shortened

_INK, _FAINT = "#222222", "#8a8a8a"
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccaa33", "#aa3377", "#44aa99")
_BEFORE, _AFTER = "#8fa3b8", "#ee6677"
_SIZE = (7.0, 4.4)
_ROW_INCHES = 0.17
_LONGEST_NAME = 34


def speedups(found: Sequence[Measured]) -> Any:
    """Speed-ups with their intervals, against the ratio of MACs, or over batch sizes.

    One pair of models has one ratio of MACs whatever the batch is: then batch sizes are on the
    axis, and the ratio is a line.

    Args:
        found: Comparisons.

    Returns:
        A figure of matplotlib.

    Raises:
        BadData: There is no comparison among them.
    """
    pairs = [(one, one.found) for one in found if isinstance(one.found, Comparison)]
    if not pairs:
        raise BadData("a plot shows one model against another", fix="give two models")
    layers = next((one.layers for one in found if one.layers), ())
    figure, axes = _figure(len(layers))
    ratios = [one.macs[0] / one.macs[1] for one, _ in pairs]
    batches = list(dict.fromkeys(one.batch for one, _ in pairs))
    if len({one.models for one, _ in pairs}) > 1:
        for colour, batch in zip(_cycle(len(batches)), batches, strict=True):
            chosen = [at for at, (one, _) in enumerate(pairs) if one.batch == batch]
            places = [ratios[at] for at in chosen]
            _points(axes, places, [pairs[at][1] for at in chosen], colour, f"batch {batch}")
        _diagonal(axes, ratios)
    else:
        _points(axes, range(len(pairs)), [pair for _, pair in pairs], _COLOURS[0], "measured")
        _batches(axes, batches, ratios[0])
    axes.axhline(1.0, lw=0.8, color=_FAINT)
    axes.set_ylabel("times faster")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(_conditions(pairs[0][1]), fontsize=8, color=_FAINT, loc="left")
    if layers:
        _layers(figure.axes[1], layers)
    return figure


def staircase(table: LatencyTable) -> Any:
    """Time against width, with the intervals, and what it were if it fell evenly.

    Args:
        table: Of one group.

    Returns:
        A figure of matplotlib.

    Raises:
        BadData: The table has no points yet.
    """
    if not table.points:
        raise BadData("the table has no width that was timed in three rounds")
    figure, axes = _figure(0)
    widths = [point.width for point in table.points]
    times = np.array([point.seconds for point in table.points]) * 1e3
    low = np.array([point.low for point in table.points]) * 1e3
    high = np.array([point.high for point in table.points]) * 1e3
    axes.errorbar(
        widths, times, [times - low, high - times], fmt="o-", ms=4, lw=1.2, capsize=2,
        color=_COLOURS[0], label="measured, 95 % interval",
    )  # fmt: skip
    ends = [0, widths[-1]]
    axes.plot(ends, [0, times[-1]], ls="--", lw=1, color=_FAINT, label="in proportion to the width")
    axes.set_xlim(0, widths[-1] * 1.04)
    axes.set_ylim(0, max(high) * 1.06)
    axes.set_xlabel(f"channels of {table.subject.group}")
    axes.set_ylabel("ms a call")
    axes.legend(frameon=False, fontsize=8)
    about = f"{table.subject.conditions}; {table.machine.processor}"
    axes.set_title(about, fontsize=8, color=_FAINT, loc="left")
    return figure


def _figure(rows: int) -> tuple[Any, Any]:
    """A figure with axes for points, and below it others for that many layers."""
    module = figures.matplotlib()
    tall = _SIZE[1] + (rows * _ROW_INCHES + 1.0 if rows else 0.0)
    figure = module.Figure(figsize=(_SIZE[0], tall), facecolor="white", layout="constrained")
    ratios = [_SIZE[1], tall - _SIZE[1]] if rows else [1.0]
    grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
    axes = [figure.add_subplot(grid[at]) for at in range(len(ratios))]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8)
    return figure, axes[0]


def _cycle(count: int) -> list[str]:
    return [_COLOURS[at % len(_COLOURS)] for at in range(count)]


def _points(
    axes: Any, places: Sequence[float], pairs: Sequence[Comparison], colour: str, label: str
) -> None:
    middle = np.array([pair.speedup for pair in pairs])
    ends = [[p.speedup - p.low for p in pairs], [p.high - p.speedup for p in pairs]]
    axes.errorbar(places, middle, ends, fmt="o", ms=4, capsize=3, color=colour, label=label)


def _diagonal(axes: Any, ratios: Sequence[float]) -> None:
    """Where a speed-up is all that fewer MACs promise."""
    ends = [1.0, max(1.0, *ratios) * 1.05]
    axes.plot(ends, ends, ls="--", lw=1, color=_FAINT, label="as the MACs")
    axes.set_xlabel("MACs before / after")


def _batches(axes: Any, batches: Sequence[int], ratio: float) -> None:
    """Batch sizes at equal distances, and what fewer MACs promise at all of them."""
    axes.axhline(ratio, ls="--", lw=1, color=_FAINT, label="MACs before / after")
    axes.set_xlim(-0.5, len(batches) - 0.5)
    axes.set_xticks(range(len(batches)), list(map(str, batches)))
    axes.set_xlabel("batch size")


def _conditions(pair: Comparison) -> str:
    machine = f"; {pair.readings.machine.processor}" if pair.readings else ""
    return f"{pair.conditions}{machine}" if pair.conditions else ""


def _layers(axes: Any, layers: Sequence[Any]) -> None:
    """Two bars a layer."""
    rows = np.arange(len(layers))
    for side, colour, step in (("before", _BEFORE, -0.2), ("after", _AFTER, 0.2)):
        times = [1e3 * (getattr(layer, side) or 0.0) for layer in layers]
        axes.barh(rows + step, times, 0.4, color=colour, label=side)
    axes.set_yticks(rows, [shortened(layer.name, _LONGEST_NAME) for layer in layers], fontsize=6)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlabel("ms a call, watched layer by layer")
    axes.legend(frameon=False, fontsize=8)
