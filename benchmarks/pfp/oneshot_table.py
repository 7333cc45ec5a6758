"""The tables and the plot of what is measured straight after pruning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.images.curves import plot
from benchmarks.images.record import Line, spread, table, write_csv
from benchmarks.pfp.methods import METHODS

HEAD = """\
# Accuracy straight after pruning

Per cent of the CIFAR-10 test images that are classified correctly after channels were removed from
a pretrained network, nothing trained or fitted after. Columns: per cent of the multiply-accumulates
that had to go; budgets are never exceeded. Mean ± standard deviation over the draws where a method
draws at random. What the methods are: [README](../README.md). Every measurement with its seed,
the multiply-accumulates really left and the versions: [oneshot.csv](oneshot.csv).
"""


def write(lines: Sequence[Line], out: Path) -> None:
    """Writes oneshot.csv, oneshot.md and oneshot.svg into a folder."""
    write_csv(out / "oneshot.csv", lines)
    names = list(dict.fromkeys(line["network"] for line in lines))
    pages = [HEAD, *(_section(name, [x for x in lines if x["network"] == name]) for name in names)]
    (out / "oneshot.md").write_text("\n".join(pages), encoding="utf-8")
    panels = {name: _curves([x for x in lines if x["network"] == name]) for name in names}
    if panels:
        plot(out / "oneshot.svg", panels, "multiply-accumulates removed, %")


def _section(name: str, lines: Sequence[Line]) -> str:
    """The table of one network."""
    budgets = sorted({line["removed"] for line in lines} - {0})
    rows, absent = [], []
    for method in METHODS:
        mine = [line for line in lines if line["method"] == method]
        if not mine:
            absent.append(method)
            continue
        cells = [
            spread([line["accuracy"] for line in mine if line["removed"] == removed])
            for removed in budgets
        ]
        rows.append([method, *cells])
    images = ", ".join(sorted({f"{line['images']:,}" for line in lines}))
    points = sorted({line["points"] for line in lines if "points" in line})
    whole = [line["accuracy"] for line in lines if line["method"] == "original"]
    least = min((line["macs"] - 1 + line["removed"] / 100 for line in lines), default=0)
    text = [
        f"## {name}\n",
        f"Unpruned: {spread(whole)} % of {images} test images. Criteria that look at data were "
        f"given {', '.join(map(str, points))} training images. All {_proven(lines)} pruned "
        f"networks were proven; the furthest below its budget is by {-100 * least:.2f} points.\n",
        table(["method", *(f"−{removed} %" for removed in budgets)], rows),
    ]
    if absent:
        text.append(f"Not measured yet: {', '.join(absent)}.\n")
    return "\n".join(text)


def _proven(lines: Sequence[Line]) -> int:
    return sum(bool(line.get("proven")) for line in lines)


def _curves(lines: Sequence[Line]) -> dict[str, dict[float, list[float]]]:
    """Accuracies by method and by the per cent really removed, of one seed and of all."""
    whole = [line["accuracy"] for line in lines if line["method"] == "original"]
    curves: dict[str, dict[float, list[float]]] = {}
    for method in METHODS:
        mine = [line for line in lines if line["method"] == method]
        if mine:
            points = curves.setdefault(method, {0.0: whole} if whole else {})
            for line in mine:
                points.setdefault(float(line["removed"]), []).append(line["accuracy"])
    return curves
