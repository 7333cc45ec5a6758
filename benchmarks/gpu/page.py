"""The table and the plots of what was measured."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.cells import KEYS, Line
from benchmarks.images.curves import plot
from benchmarks.images.record import table

EMPTY = """\
# Networks of half the MACs on a GPU

This table has not been measured yet: it holds no numbers. `python -m benchmarks.gpu.run` on a
machine with a GPU fills it; see the [README](../README.md).
"""

HEAD = """\
# Networks of half the MACs on a GPU

Times of the original over times of the narrowed network, with 95 % intervals, beside the ratio of
their MACs; "realised" is the one over the other. Times are medians of single calls, "noise" is what
a second build of the original shows as a difference, "error" the larger of both networks' relative
errors against an unoptimised float32 run. Every cell is a line of cells.jsonl.
"""

_COLUMNS = (
    "network", "precision", "batch", "widths", "MACs", "speedup", "interval", "realised",
    "verdict", "before", "after", "noise", "error", "clock",
)  # fmt: skip
_UNKNOWN = "–"


def write(lines: Sequence[Line], folder: Path) -> None:
    """Writes gpu.md, and one plot for every engine.

    Args:
        lines: What was measured.
        folder: To write into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draws = importlib.util.find_spec("matplotlib") is not None
    if not draws:
        print("matplotlib is not installed: --page draws the plots where it is", flush=True)
    parts = [HEAD if lines else EMPTY]
    for engine in dict.fromkeys(line["engine"] for line in lines):
        here = [line for line in lines if line["engine"] == engine]
        timed = [line for line in here if "failed" not in line]
        parts += [f"## {engine}\n", *(f"- {one}" for one in dict.fromkeys(map(_conditions, timed)))]
        if timed:
            name = f"{engine.replace(':', '-')}.svg"
            if draws:
                draw(folder / name, timed)
            parts.append(f"\n![speedups and ratios of MACs]({name})\n")
            parts.append(table(_COLUMNS, map(_row, sorted(timed, key=_order))))
        parts += list(_failures(here))
    (folder / "gpu.md").write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def draw(path: Path, lines: Sequence[Line]) -> None:
    """Draws speedups, and the ratio of MACs above them, a panel for every network.

    All ratios are close to 2, so they are lines to reach, and the batch size goes across.

    Args:
        path: The file.
        lines: Cells of one engine that did not fail.
    """
    panels: dict[str, dict[str, dict[float, list[float]]]] = {}
    for line in sorted(lines, key=_order):
        curves = panels.setdefault(line["network"], {})
        at = math.log2(line["batch"])
        # Mean and deviation of these are the middle and the reach of the interval.
        low, high = line["low"], line["high"]
        name = f"{line['precision']}, {_step(line)}"
        curves.setdefault(name, {})[at] = [low, (low + high) / 2, high]
        curves.setdefault("MACs before / after", {}).setdefault(at, []).append(_ratio(line))
    plot(path, panels, "log2 of the batch size", "time before / after")


def _step(line: Line) -> str:
    return "unrounded" if line["rounding"] == 1 else f"rounded to {line['rounding']}"


def _row(line: Line) -> list[str]:
    return [
        line["network"],
        line["precision"],
        str(line["batch"]),
        _step(line),
        f"{_ratio(line):.2f}",
        f"**{line['speedup']:.2f}**",
        f"{line['low']:.2f} to {line['high']:.2f}",
        f"{line['speedup'] / _ratio(line):.0%}",
        line["verdict"],
        f"{line['before_ms']:.3f} ms",
        f"{line['after_ms']:.3f} ms",
        f"{line['noise']:.1%}",
        _UNKNOWN if line["error"] is None else f"{line['error']:.1g}",
        _clock(line),
    ]


def _clock(line: Line) -> str:
    """Clocks of the GPU before and after, and whether something held them down."""
    known = [f"{one:.0f}" for one in line.get("clock_mhz", []) if one is not None]
    if not known:
        return _UNKNOWN
    held = ", throttled" if any(line["throttled"]) else ""
    return f"{' to '.join(known)} MHz{held}"


def _conditions(line: Line) -> str:
    parts = [line["conditions"], line["machine"]]
    if "driver" in line:
        highest = line["highest_clock_mhz"]
        parts.append(
            f"driver {line['driver']}" + (f", at most {highest:.0f} MHz" if highest else "")
        )
    if line["cached"]:
        parts.append("engines from a cache: both builds of an original are one")
    return "; ".join([*parts, f"networks from {line['prepared']}"]) + "."


def _failures(lines: Sequence[Line]) -> Iterator[str]:
    """Every reason once, with its cells."""
    failed: dict[str, list[str]] = {}
    for line in lines:
        if "failed" in line:
            cell = ", ".join(f"{key} {line[key]}" for key in KEYS if key != "engine")
            failed.setdefault(line["failed"], []).append(cell)
    if failed:
        yield "Cells that failed:\n"
    for reason, cells in failed.items():
        yield f"- {reason}"
        yield from (f"  - {cell}" for cell in cells)
    yield ""


def _ratio(line: Line) -> float:
    before, after = line["macs"]
    return float(before / after)


def _order(line: Line) -> tuple[Any, ...]:
    return line["network"], line["precision"], line["batch"], line["rounding"]
