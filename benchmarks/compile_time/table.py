"""From single runs to the table: medians, ratios, and whether the requirements are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = ("couple", "decide", "narrow", "cut")  # comparable work; load and lower stand beside it
THEIRS = ("graph", "step")  # comparable work; the traced forward pass stands beside it
FASTER, ANALYSIS, MEMORY = 20.0, 0.5, 2.0  # times, seconds, times the file


@dataclass(frozen=True)
class Line:
    """One architecture.

    Attributes:
        model: Its name.
        ours: Median seconds of each of our stages.
        theirs: Median seconds of each of the other tool's stages; only those it finished.
        kept: Share of the parameters left, by tool.
        verdict: Whether the other tool's result runs, or why there is none.
        limit: Seconds after which it was stopped, where it was.
        peak: Bytes by which analysis raised the process's peak.
        baseline: Peak bytes of the process before it.
        size: Bytes of the file.
    """

    model: str
    ours: dict[str, float]
    theirs: dict[str, float]
    kept: tuple[float, float | None]
    verdict: str
    limit: float | None
    peak: float
    baseline: float
    size: int

    @property
    def analysis(self) -> float:
        """Seconds from the loaded file to the groups."""
        return self.ours["lower"] + self.ours["couple"]

    @property
    def mine(self) -> float:
        """Seconds of our comparable work."""
        return sum(self.ours[stage] for stage in OURS)

    @property
    def other(self) -> float | None:
        """Seconds of their comparable work; the limit where they were stopped, None if failed."""
        if self.limit is not None:
            return self.limit
        done = [self.theirs[stage] for stage in THEIRS if stage in self.theirs]
        return sum(done) if len(done) == len(THEIRS) else None

    @property
    def ratio(self) -> float | None:
        """How many times faster; a lower bound where they were stopped."""
        return None if self.other is None else self.other / self.mine

    @property
    def whole(self) -> float | None:
        """The ratio with tracing and with loading and lowering counted."""
        if self.other is None:
            return None
        front = 0.0 if self.limit is not None else self.theirs["forward"]
        return (self.other + front) / (self.mine + self.ours["load"] + self.ours["lower"])

    @property
    def graphs(self) -> float | None:
        """Their dependency graph against our lower and couple; a bound where stopped in it."""
        seconds = self.theirs.get("graph", self.limit)
        return None if seconds is None else seconds / self.analysis


def line(
    name: str,
    runs: Sequence[dict[str, Any]],
    peak: float,
    baseline: float,
    size: int,
    limit: float,
) -> Line:
    """Medians over the runs of one architecture."""
    mine = [run for run in runs if run["tool"] == "graphprune"]
    other = [run for run in runs if run["tool"] != "graphprune"]
    for run in mine:
        if "failure" in run:
            raise SystemExit(f"{name}: {run['failure']}")
    failures = [run["failure"] for run in other if "failure" in run]
    verdict = failures[0] if failures else f"runs: {other[0]['runs']}"
    stopped = any(failure.startswith("stopped") for failure in failures)
    kept = [run["kept"] for run in other if "kept" in run]
    return Line(
        name,
        _medians(mine, ("load", "lower", *OURS, "replay")),
        _medians(other, ("forward", *THEIRS)),
        (mine[0]["kept"], kept[0] if kept else None),
        verdict,
        limit if stopped else None,
        peak,
        baseline,
        size,
    )


def _medians(runs: Sequence[dict[str, Any]], stages: Sequence[str]) -> dict[str, float]:
    found = {stage: [run[stage] for run in runs if stage in run] for stage in stages}
    return {stage: median(seconds) for stage, seconds in found.items() if seconds}


def show(one: Line) -> str:
    """A line of the main table."""
    bound = "> " if one.limit is not None else ""
    mine = [f"{one.ours[s]:.3f}" for s in ("load", "lower", *OURS)]
    theirs = [f"{one.theirs[s]:.3f}" if s in one.theirs else "–" for s in ("forward", *THEIRS)]
    sums = [f"{one.mine:.3f}", _number(one.other, bound, 3)]
    ratios = [_number(x, bound, 1) for x in (one.ratio, one.whole, one.graphs)]
    shares = [f"{one.kept[0]:.3f}", _number(one.kept[1], "", 3)]
    return _row([one.model, *mine, *theirs, *sums, *ratios, *shares, one.verdict])


def _number(value: float | None, bound: str, digits: int) -> str:
    return "–" if value is None else f"{bound}{value:.{digits}f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _limits(one: Line) -> str:
    mib = 2.0**20
    numbers = (one.peak / mib, one.baseline / mib, one.size / mib)
    cells = [f"{one.analysis:.3f}", *(f"{n:.0f}" for n in numbers), f"{one.peak / one.size:.2f}"]
    return _row([one.model, *cells])


def page(lines: Sequence[Line], repeats: int, limit: float, machine: str) -> str:
    """The whole result, as Markdown."""
    head = ["model", "load", "lower", *OURS, "their forward", *(f"their {s}" for s in THEIRS)]
    head += ["ours s", "theirs s", "ratio", "with fronts", "graphs", "kept", "theirs", "theirs"]
    ratios = [one.ratio for one in lines if one.ratio is not None]
    finished = [one.ratio for one in lines if one.ratio is not None and one.limit is None]
    slowest, hungriest = max(x.analysis for x in lines), max(x.peak / x.size for x in lines)
    checks = [
        ["median ratio, a stop counted as its limit", f"{median(ratios):.1f}", f"≥ {FASTER:.0f}"],
        ["median ratio where both finish", _number(median(finished), "", 1), f"≥ {FASTER:.0f}"],
        ["slowest analysis, s", f"{slowest:.3f}", f"< {ANALYSIS}"],
        ["largest peak / file", f"{hungriest:.2f}", f"< {MEMORY:.0f}"],
    ]
    small = ["model", "analysis s", "peak MiB", "before MiB", "file MiB", "peak / file"]
    return "\n".join(
        [
            "# Compile time against torch-pruning\n",
            f"Medians of {repeats} runs in turns; a run is stopped after {limit:.0f} s.",
            *([f"Machine: {machine}."] if machine else []),
            "What the columns mean: [README](../README.md). Every run: [runs.csv](runs.csv).\n",
            _row(["", "measured", "required"]),
            _row(["---"] * 3),
            *map(_row, checks),
            "",
            _row(head),
            _row(["---"] * len(head)),
            *map(show, lines),
            "",
            _row(small),
            _row(["---"] * len(small)),
            *map(_limits, lines),
            "",
        ]
    )
