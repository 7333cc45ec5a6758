"""What commands print: tables and short lists for a terminal."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphprune.cost import Cost, CostModel
from graphprune.groups import Coupling, Frozen, Group
from graphprune.inspection import Inspection
from graphprune.plan import PlannedGroup
from graphprune.report.layers import labels, weight_layers
from graphprune.report.numbers import change, count, human, shortened

_PIPED_WIDTH = 120
"""Columns where no terminal says how many there are."""


def console(file: TextIO | None = None) -> Console:
    """A console that prints names as they are, whatever brackets they hold."""
    made = Console(file=file, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _PIPED_WIDTH
    return made


def macs_shares(model: CostModel) -> dict[str, float]:
    """For every group the fraction of all MACs that its channels take part in.

    A MAC that reads one group and writes another counts for both, so they add up to more than 1.
    """
    total = model.full.macs
    shares = {}
    for i, group in enumerate(model.coupling):
        without = model.widths.copy()
        without[i] = 0
        left = model.evaluate(np.asarray(without)).macs
        shares[group.name] = (total - left) / total if total else 0.0
    return shares


def groups_table(inspection: Inspection[Any], width: int) -> Table:
    """One line a group.

    Args:
        inspection: What was found.
        width: Columns there are.
    """
    coupling, names = inspection.coupling, labels(inspection.coupling)
    shares = macs_shares(inspection.cost_model)
    has_rows = any(group.rows > 1 for group in coupling)
    table = plain_table()
    table.add_column("group")
    table.add_column("width", justify="right")
    if has_rows:
        table.add_column("rows", justify="right")
    for heading in ("produced by", "read by"):
        table.add_column(heading, no_wrap=True, ratio=1)
    table.add_column("axes", justify="right")
    table.add_column("MACs", justify="right")
    room = max((width - (42 if has_rows else 36)) // 2, 12)
    for group in coupling:
        cells = [_named(group), str(group.width)]
        if has_rows:
            cells.append(f"×{group.rows}" if group.rows > 1 else "")
        cells += [_listed(group, role, names, room) for role in ("out", "in")]
        table.add_row(*cells, str(len(group.members)), f"{shares[group.name]:.1%}")
    return table


def plain_table() -> Table:
    """An empty table without lines, as all are printed."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)


def _named(group: Group) -> str:
    return f"{group.name} ≈" if group.approximate else group.name


def _listed(group: Group, role: str, names: Mapping[str, str], room: int) -> str:
    """The first member of a role, and how many more there are."""
    found = list(dict.fromkeys(names[m.param] for m in group.members if m.role == role))
    if not found:
        return "–"
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    return shortened(found[0], room - len(more)) + more


def input_lines(inspection: Inspection[Any], assumed: Collection[str]) -> Iterator[str]:
    """The shape of every input, and whether it was assumed.

    Args:
        inspection: What was found.
        assumed: Inputs whose shape is neither fixed nor given.
    """
    values = inspection.coupling.graph.values
    for name, shape in inspection.lowered.inputs.items():
        sizes = ",".join(map(str, shape))
        remark = " (assumed; give it with --shape)" if name in assumed else ""
        yield f"{name}: {values[name].dtype}[{sizes}]{remark}"


def costs_text(cost: Cost, size: int | None) -> Text:
    """Parameters, MACs, memory and file size on one line."""
    parts = [
        (human(cost.params), "parameters"),
        (human(cost.macs), "MACs"),
        (human(cost.memory, "B"), "of activations"),
    ]
    if size is not None:
        parts.append((human(size, "B"), "on disk"))
    text = Text()
    for number, noun in parts:
        text.append("   " if text else "").append(number, "bold").append(f" {noun}")
    return text


def coverage_lines(inspection: Inspection[Any]) -> Iterator[str]:
    """How many layers have results that may be removed, and what may not."""
    layers = weight_layers(inspection.coupling)
    parts = []
    for family in dict.fromkeys(layer.family for layer in layers):
        own = [layer for layer in layers if layer.family == family]
        prunable = sum(layer.prunable for layer in own)
        parts.append(f"{prunable} of {count(len(own), family)}")
    coupling = inspection.coupling
    found = count(len(coupling.groups), "group")
    frozen = count(len(coupling.frozen), "axis")
    layers_text = " and ".join(parts) or "no layers"
    yield f"results of {layers_text} can be narrowed: {found}; {frozen} frozen"
    approximate = [group.name for group in coupling if group.approximate]
    if approximate:
        yield "≈ narrowing is approximate: a statistic is then taken over fewer channels"
    if inspection.kept:
        yield f"kept whole as asked: {', '.join(inspection.kept)}"


def frozen_lines(coupling: Coupling, width: int, limit: int | None) -> Iterator[str]:
    """Parameter axes that stay whole, those with one reason on one line.

    Args:
        coupling: What was found.
        width: Columns there are.
        limit: Most lines, or None for all.
    """
    names = labels(coupling)
    by_reason: dict[str, list[Frozen]] = {}
    for frozen in coupling.frozen:
        by_reason.setdefault(frozen.reason[-1], []).append(frozen)
    lines = list(by_reason.items())
    room = max(width // 2 - 14, 16)
    for reason, same in lines[:limit]:
        first = same[0]
        axis = f"{shortened(names[first.param], room)} axis {first.axis}"
        extent = (
            f"({first.width})"
            if first.partial == first.width
            else f"({first.partial} of {first.width})"
        )
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        yield f"{axis} {extent}{more}: {shortened(reason, width)}"
    if limit is not None and len(lines) > limit:
        yield f"… and {count(len(lines) - limit, 'more reason')} (--all)"


def cost_table(
    before: Cost, after: Cost, sizes: tuple[int, int] | None, latency: Sequence[str] | None
) -> Table:
    """Costs before and after.

    Args:
        before: The original's.
        after: The narrowed model's.
        sizes: Bytes of both files, where both are files.
        latency: Cells of the line on measured latency: before, after, verdict.
    """
    table = plain_table()
    table.add_column("")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    rows: list[tuple[str, float, float, str]] = [
        ("parameters", before.params, after.params, ""),
        ("MACs", before.macs, after.macs, ""),
        ("activations", before.memory, after.memory, "B"),
    ]
    if sizes is not None:
        rows.append(("file", *sizes, "B"))
    for name, old, new, unit in rows:
        table.add_row(name, human(old, unit), human(new, unit), change(old, new))
    if latency is not None:
        table.add_row("latency", *latency)
    return table


def widths_table(groups: Sequence[PlannedGroup]) -> Table:
    """Every group's width before and after."""
    table = plain_table()
    table.add_column("group")
    for heading in ("width", "kept", "change"):
        table.add_column(heading, justify="right")
    for group in groups:
        name = f"{group.name} ≈" if group.approximate else group.name
        rows = f" ×{group.rows}" if group.rows > 1 else ""
        table.add_row(
            name, f"{group.width}{rows}", f"{group.kept}{rows}", change(group.width, group.kept)
        )
    return table
