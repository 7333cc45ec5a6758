"""The tables and the plot of pruning and retraining in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.images.curves import Points, plot
from benchmarks.images.record import Line, spread, table, write_csv

ALLOWED = 0.5
"""Points of accuracy that may be lost."""

HEAD = f"""\
# Pruning and retraining in turns

PR is the per cent of the parameters that is gone, FR that of the multiply-accumulates, both counted
on the pruned network. Mean ± standard deviation over repetitions. *Within {ALLOWED}*: the largest
PR whose mean accuracy is at most {ALLOWED} points below the original's, and the FR there. How to
run it: [README](../README.md). Every measurement: [cascade.csv](cascade.csv).
"""


def write(lines: Sequence[Line], out: Path) -> None:
    """Writes cascade.csv, cascade.md and cascade.svg into a folder."""
    write_csv(out / "cascade.csv", lines)
    sections = list(dict.fromkeys((line["network"], line["setup"]) for line in lines))
    pages, panels = [HEAD], dict[str, dict[str, Points]]()
    for network, setup in sections:
        mine = [x for x in lines if (x["network"], x["setup"]) == (network, setup)]
        pages.append(_section(f"{network}: {setup}", mine))
        for title, size in (("parameters", "params"), ("multiply-accumulates", "macs")):
            panels[f"{network}, {setup}\n{title}"] = dict(_curves(mine, size))
    (out / "cascade.md").write_text("\n".join(pages), encoding="utf-8")
    if panels:
        plot(out / "cascade.svg", panels, "removed, %")


def _methods(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(x["method"] for x in lines if x["method"] != "original"))


def _original(lines: Sequence[Line]) -> float:
    return float(next(x["accuracy"] for x in lines if x["method"] == "original"))


def _section(title: str, lines: Sequence[Line]) -> str:
    """The tables of one network retrained in one way."""
    whole = _original(lines)
    rows, best = [], []
    for method in _methods(lines):
        mine = [line for line in lines if line["method"] == method]
        within = (0.0, 0.0)
        for removed in sorted({line["removed"] for line in mine}):
            here = [line for line in mine if line["removed"] == removed]
            gone = [[100 * (1 - line[size]) for line in here] for size in ("params", "macs")]
            reached = [line["accuracy"] for line in here]
            pruned = [x["pruned_accuracy"] for x in here if x.get("pruned_accuracy") is not None]
            cells = [spread(numbers, ".1f") for numbers in gone]
            rows.append([method, *cells, spread(pruned), spread(reached), str(len(here))])
            if mean(reached) >= whole - ALLOWED:
                within = (mean(gone[0]), mean(gone[1]))
        best.append([method, *(f"{number:.1f}" if number else "none" for number in within)])
    head = ["method", "PR", "FR", "accuracy before retraining", "after", "repetitions"]
    return "\n".join(
        [
            f"## {title}\n",
            f"The original: {whole:.2f} %.\n",
            table(head, rows),
            table(["method", f"PR within {ALLOWED}", "FR there"], best),
        ]
    )


def _curves(lines: Sequence[Line], size: str) -> Iterator[tuple[str, Points]]:
    """Accuracies by what is gone on the average, for every method."""
    whole = _original(lines)
    for method in _methods(lines):
        mine = [line for line in lines if line["method"] == method]
        points = {0.0: [whole]}
        for removed in sorted({line["removed"] for line in mine}):
            here = [line for line in mine if line["removed"] == removed]
            gone = 100 * (1 - mean(line[size] for line in here))
            points[gone] = [line["accuracy"] for line in here]
        yield method, points
