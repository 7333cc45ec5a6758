"""The page that sums the measurements up, from the files they were written to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphprune.measure.latency_table import LatencyTable
from graphprune.report.numbers import duration, human

OF_TWENTY = 18
"""Intervals of equal models that must hold 1, of 20: 19 are expected, chance takes one more."""

NARROW = 0.1
"""Largest distance of the ends of an interval from its middle, as a fraction, to be narrow."""


def page(folder: Path) -> str:
    """All parts that were measured, as Markdown.

    Args:
        folder: Holds same.json, half.json and widths.json, or some of them.
    """
    lines = ["# Whether times can be believed", ""]
    for name, part in (("same", _same), ("half", _half)):
        path = folder / f"{name}.json"
        if path.exists():
            lines += [*part(json.loads(path.read_text(encoding="utf-8"))), ""]
    path = folder / "widths.json"
    if path.exists():
        lines += _widths(LatencyTable.from_json(path.read_text(encoding="utf-8")))
    return "\n".join(lines).rstrip() + "\n"


def _same(document: dict[str, Any]) -> Iterator[str]:
    runs = document["runs"]
    held = sum(run["low"] <= 1 <= run["high"] for run in runs)
    needed = OF_TWENTY / 20 * len(runs)
    yield f"## {document['model']} against itself"
    yield ""
    yield _machine(runs[0])
    yield ""
    yield f"The 95 % interval holds 1 in **{held} of {len(runs)}** runs"
    yield f"(at least {needed:g} wanted: {'met' if held >= needed else 'not met'})."
    yield ""
    yield "| run | ratio | interval | verdict | noise | drift | load before, after |"
    yield "|---|---|---|---|---|---|---|"
    for number, run in enumerate(runs, 1):
        loads = ", ".join(_load(run["readings"][when]) for when in ("before", "after"))
        yield (
            f"| {number} | {run['speedup']:.3f} | {run['low']:.3f} to {run['high']:.3f} "
            f"| {run['verdict']} | {run['noise']:.1%} | {run['drift']:+.1%} | {loads} |"
        )


def _half(run: dict[str, Any]) -> Iterator[str]:
    before, after = run["macs"]
    reach = max(run["high"] / run["speedup"] - 1, 1 - run["low"] / run["speedup"])
    yield f"## {run['model']} against a copy of half the width"
    yield ""
    yield _machine(run)
    yield ""
    yield f"**{run['speedup']:.2f} times faster**, 95 % interval {run['low']:.2f} to"
    yield f"{run['high']:.2f}, that is ±{reach:.1%} (less than ±{NARROW:.0%} wanted:"
    yield f"{'met' if reach < NARROW else 'not met'}), over {run['rounds']} rounds;"
    yield f"{human(before)} to {human(after)} MACs, {before / after:.2f} times fewer."
    loads = [_load(run["readings"][when]) for when in ("before", "after")]
    yield f"Load before {loads[0]}, after {loads[1]}."
    yield ""
    yield "| | p50 | p95 | p99 | calls |"
    yield "|---|---|---|---|---|"
    for name, side in (("before", run["a"]), ("after", run["b"])):
        times = " | ".join(duration(side[key]) for key in ("p50", "p95", "p99"))
        yield f"| {name} | {times} | {side['calls']} |"


def _widths(table: LatencyTable) -> Iterator[str]:
    subject = table.subject
    yield f"## {subject.group}: {', '.join(subject.members)}"
    yield ""
    yield f"{table.machine}; {subject.conditions}."
    for readings in table.readings:
        yield ""
        yield f"Read {readings}."
    yield ""
    yield "![time against width](staircase.svg)"
    yield ""
    yield "| width | time | 95 % interval | of full width | 95 % interval | rounds |"
    yield "|---|---|---|---|---|---|"
    for one in table.points:
        yield (
            f"| {one.width} | {duration(one.seconds)} | {duration(one.low)} to "
            f"{duration(one.high)} | {one.ratio:.3f} | {one.ratio_low:.3f} to "
            f"{one.ratio_high:.3f} | {one.rounds} |"
        )


def _machine(run: dict[str, Any]) -> str:
    """What it ran on, in words."""
    machine, conditions = run["readings"]["machine"], run["conditions"]
    memory = f", {machine['memory'] / 2**30:.0f} GiB" if machine["memory"] else ""
    threads, pinned = conditions["threads"], "pinned" if conditions["pinned"] else "not pinned"
    return (
        f"{machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}; "
        f"{conditions['backend']} {conditions['version']}, {conditions['device']}, "
        f"{conditions['precision']}, {threads} thread{'s' * (threads > 1)}, {pinned}."
    )


def _load(reading: dict[str, Any]) -> str:
    return "" if reading["load"] is None else f"{reading['load']:.1f}"
