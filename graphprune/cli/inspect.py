"""``graphprune inspect``: what may be narrowed, what may not, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from graphprune.cli import files, options

if TYPE_CHECKING:
    from graphprune.inspection import Inspection

_SHOWN = 10
"""Reasons that are listed without --all."""


def inspect(
    model: options.Model,
    why: options.Why = None,
    keep: options.Keep = None,
    shape: options.Shapes = None,
    everything: options.Everything = False,
    picture: options.Picture = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the groups of coupled channels, the cost, and what is frozen for which reason.

    Channels that are added, concatenated or otherwise meet live and die together: they are one
    group. A pruned network keeps some of the width of every group.
    """
    from graphprune.inspection import inspect as find

    shapes = files.shapes(shape)
    found = find(model, shapes=shapes, keep=keep or ())
    assumed = files.assumed(found.lowered.model, shapes)
    size = files.model_bytes(found.lowered.model)
    if picture is not None:
        _draw(found, picture)
    if json:
        _print_json(found, size, assumed, why)
    elif why is not None:
        _print_why(found, why)
    else:
        _print(found, size, assumed, everything or verbose)


def _draw(found: Inspection[Any], target: Path) -> None:
    from graphprune.report.picture import draw, pruned_widths

    files.check_output(found.lowered.model.path or target, target, overwrite=False)
    draw(found, pruned_widths(found), target)


def _print_json(
    found: Inspection[Any], size: int, assumed: tuple[str, ...], why: str | None
) -> None:
    from graphprune.report import documents
    from graphprune.report.why import explain

    document = documents.inspection_document(found, size, assumed)
    if why is not None:
        document["why"] = [explanation.to_dict() for explanation in explain(found, why)]
    typer.echo(documents.dumped(document))


def _print_why(found: Inspection[Any], why: str) -> None:
    from graphprune.report.tables import console
    from graphprune.report.why import explain, why_lines

    output = console()
    for line in why_lines(found, explain(found, why), output.width):
        output.print(line, soft_wrap=True)


def _print(found: Inspection[Any], size: int, assumed: tuple[str, ...], everything: bool) -> None:
    from graphprune.report import tables

    output = tables.console()
    output.print(str(found.lowered.model.path), style="bold", soft_wrap=True)
    for line in tables.input_lines(found, assumed):
        output.print(line, soft_wrap=True)
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
