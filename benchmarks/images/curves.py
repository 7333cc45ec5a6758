"""Curves of accuracy against what was removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Points = Mapping[float, Sequence[float]]
"""Measured values by what was removed; several where there were several draws."""

_STYLES = ("-", "--", ":", "-.")


def plot(
    path: Path, panels: Mapping[str, Mapping[str, Points]], across: str, up: str = "accuracy, %"
) -> None:
    """Draws one panel for every network or budget, one curve for every method.

    Args:
        path: The file to write; its suffix says the format.
        panels: Title of the panel, name of the method, its points.
        across: What the horizontal axis shows.
        up: What the vertical axis shows.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit(f"{path.name} needs matplotlib: pip install matplotlib") from error
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "graphprune"
    from matplotlib import pyplot

    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(5.5 * len(panels) + 2, 4.5), squeeze=False, layout="constrained"
    )
    for axis, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for name, points in curves.items():
            _curve(axis, name, points, names.index(name))
        axis.set(title=title, xlabel=across, ylabel=up)
        axis.grid(alpha=0.3)
    handles = {
        label: handle
        for axis in axes[0]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right upper")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _curve(axis: Any, name: str, points: Points, order: int) -> None:
    """One method: means, and a bar of the standard deviation where there are several draws."""
    places = sorted(points)
    axis.errorbar(
        places,
        [mean(points[at]) for at in places],
        [stdev(points[at]) if len(points[at]) > 1 else 0 for at in places],
        color=f"C{order % 10}",
        linestyle=_STYLES[order // 10 % len(_STYLES)],
        marker=".",
        capsize=2,
        label=name,
    )
