"""Tables and plots of what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.images.curves import plot
from benchmarks.images.record import Line, spread, table, write_csv
from benchmarks.precrop.schedules import SCHEDULES

HEAD = """\
# Networks trained from scratch

Per cent of the test images that are classified correctly after training from fresh weights: mean ±
standard deviation over the seeds. Budgets are fractions of the parameters. What was trained, and
how, is in runs.csv; `python -m benchmarks.precrop.run` writes all of it.
"""

TITLES = {
    "granularity": "Same layer densities, four granularities",
    "densities": "Widths by layer densities",
    "preconfig": "PreConfig: 80 % of the parameters, no more MACs",
}
_AS_MEASURED = ("density", "params", "macs")


def write(lines: Sequence[Line], folder: Path) -> None:
    """Writes runs.csv, results.md and a plot for every experiment.

    Args:
        lines: What was measured.
        folder: To write into.
    """
    write_csv(folder / "runs.csv", lines)
    parts = [HEAD]
    for name, schedule in SCHEDULES.items():
        for experiment, title in TITLES.items():
            here = [x for x in lines if (x["schedule"], x["experiment"]) == (name, experiment)]
            if here:
                parts.append(f"## {title}\n\n{_sentence(schedule.text, here)}\n")
                parts += [_tabulated(network, rows) for network, rows in _split(here, "network")]
                _drawn(folder / f"{experiment}-{name}.svg", here)
    (folder / "results.md").write_text("\n".join(parts), encoding="utf-8")


def _sentence(text: str, lines: Sequence[Line]) -> str:
    seeds = sorted({line["seed"] for line in lines})
    used = "; ".join(sorted({line["versions"] for line in lines}))
    return f"{text[0].upper()}{text[1:]}; seeds {', '.join(map(str, seeds))}. {used}."


def _split(lines: Sequence[Line], key: str) -> list[tuple[Any, list[Line]]]:
    found = dict.fromkeys(line[key] for line in lines)
    return [(value, [line for line in lines if line[key] == value]) for value in found]


def _tabulated(network: str, lines: Sequence[Line]) -> str:
    """One line a budget and method."""
    measured = [key for key in _AS_MEASURED if any(key in line for line in lines)]
    rows = []
    for budget, some in sorted(_split(lines, "budget"), reverse=True, key=lambda pair: pair[0]):
        for method, runs in _split(some, "method"):
            figures = [
                spread([run[key] for run in runs if key in run][:1], ".3f") for key in measured
            ]
            accuracies = spread([run["accuracy"] for run in runs])
            rows.append([f"{budget:g}", method, accuracies, str(len(runs)), *figures])
    return f"### {network}\n\n" + table(
        ["budget", "method", "accuracy, %", "seeds", *measured], rows
    )


def _drawn(path: Path, lines: Sequence[Line]) -> None:
    """Accuracy against the budget, a panel for every network."""
    panels: dict[str, dict[str, dict[float, list[float]]]] = {}
    for network, here in _split(lines, "network"):
        whole = [line["accuracy"] for line in here if line["method"] == "original"]
        curves = panels.setdefault(network, {})
        for method, runs in _split(here, "method"):
            points = curves.setdefault(method, {})
            for budget, some in _split(runs, "budget"):
                points[budget] = [run["accuracy"] for run in some]
            if whole:
                points.setdefault(1.0, whole)
    plot(path, panels, "fraction of the parameters")
