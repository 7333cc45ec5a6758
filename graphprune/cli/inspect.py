"""``graphprune inspect``: what may be narrowed, what may not, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphprune.cli import files, options

if TYPE_CHECKING:
    from graphprune.inspection import Inspection

_SHOWN = 10
"""Reasons that are listed without --all."""


def inspect(
    model: options.Model,
    why: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Explain one layer: the group of every axis with all its members, or the chain "
            "of operations to what froze it. A name, a part of one, or a pattern with * and ?.",
        ),
    ] = None,
    keep: options.Keep = None,
    shape: options.Shapes = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List every frozen axis with its reason.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|FILE.svg",
            help="Draw the layers with their widths and groups; what an embedded plan removed is "
            "hatched. Needs graphprune[plot].",
        ),
    ] = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the groups of coupled channels, the cost, and what is frozen for which reason.

    Channels that are added, concatenated or otherwise meet live and die together: they are one
    group. A pruned network keeps some of the width of every group.
    """
    from graphprune.inspection import inspect as find

    found = find(model, shapes=files.shapes(shape), keep=keep or ())
    size = files.model_bytes(found.lowered.model)
    if picture is not None:
        _draw(found, picture)
    if json:
        _print_json(found, size, why)
    elif why is not None:
        _print_why(found, why)
    else:
        _print(found, size, everything or verbose)


def _draw(found: Inspection, target: Path) -> None:
    from graphprune.report.picture import draw, pruned_widths

    files.check_output(found.lowered.model.path or target, target, overwrite=False)
    draw(found, pruned_widths(found), target)


def _print_json(found: Inspection, size: int, why: str | None) -> None:
    from graphprune.report import documents
    from graphprune.report.why import explain

    document = documents.inspection_document(found, size)
    if why is not None:
        document["why"] = [explanation.to_dict() for explanation in explain(found, why)]
    typer.echo(documents.dumped(document))


def _print_why(found: Inspection, why: str) -> None:
    from graphprune.report.tables import console
    from graphprune.report.why import explain, why_lines

    output = console()
    for line in why_lines(found, explain(found, why), output.width):
        output.print(line, soft_wrap=True)


def _print(found: Inspection, size: int, everything: bool) -> None:
    from graphprune.report import tables

    output = tables.console()
    values = found.coupling.graph.values
    assumed = " (sizes left open are assumed; set them with --shape)"
    inputs = ", ".join(
        f"{name}: {values[name].dtype}[{','.join(map(str, shape))}]"
        for name, shape in found.lowered.inputs.items()
    )
    output.print(
        f"{found.lowered.model.path}  {inputs}{assumed if found.lowered.symbolic else ''}",
        soft_wrap=True,
    )
    output.print(tables.costs_text(found.cost_model.full, size))
    output.print()
    if found.coupling.groups:
        output.print(tables.groups_table(found, output.width))
        output.print()
    for line in tables.coverage_lines(found):
        output.print(line, soft_wrap=True)
    limit = None if everything else _SHOWN
    for line in tables.frozen_lines(found.coupling, output.width, limit):
        output.print(f"  {line}", soft_wrap=True)
