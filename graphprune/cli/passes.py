"""``graphprune passes``: methods and passes by name, with their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.cli import options
from graphprune.errors import BadData

if TYPE_CHECKING:
    from rich.table import Table

    from graphprune.specs import Option

Named = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", show_default=False, help="Only what is called so, with all about it."
    ),
]


def passes(name: Named = None, json: options.Json = False) -> None:
    """List methods, criteria, allocations and selections, with options, needs and papers.

    Options follow the name and a colon: --criterion pfp:sensitivity=edge,delta=1e-8.
    """
    rows = [row for row in _rows() if name in (None, row["name"])]
    if not rows:
        raise BadData(f"no method or pass is called '{name}'", fix="list them: graphprune passes")
    if json:
        from graphprune.report import documents

        typer.echo(documents.dumped({"passes": rows}))
        return
    from graphprune.report.tables import console

    printed = console()
    if name is None:
        printed.print(_methods([row for row in rows if row["kind"] == "method"]))
        printed.print()
        printed.print(_passes([row for row in rows if row["kind"] != "method"]))
        return
    for row in rows:
        for line in _details(row):
            printed.print(line, soft_wrap=True)


def _rows() -> Iterator[dict[str, Any]]:
    """Methods, then passes by what they are part of, ready for JSON."""
    from graphprune.pipelines import methods

    for name, method in methods.METHODS.items():
        known = methods.options_of(name)
        summary = " ".join(f"--{part} {spec}" for part, spec in method.parts.items())
        row = _row("method", name, summary, known, methods.needs_of(name), method.source)
        yield {**row, "parts": method.parts}
    for part, registry in methods.PARTS.items():
        for name in registry.names:
            found = registry.entry(name)
            yield _row(part, name, found.summary, found.options, found.needs, found.source)


def _row(
    kind: str,
    name: str,
    summary: str,
    known: tuple[Option, ...],
    needs: frozenset[str],
    source: str,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "summary": summary,
        "options": [
            {
                "name": option.name,
                "takes": option.expected or None,
                "default": None if option.default is MISSING else option.default,
                "written": str(option),
                "about": option.about,
            }
            for option in known
        ],
        "needs": sorted(needs),
        "source": source,
    }


def _methods(rows: list[dict[str, Any]]) -> Table:
    from graphprune.pipelines.methods import PARTS
    from graphprune.report.tables import plain_table

    table = plain_table()
    for heading in ("method", *PARTS, "needs", "source"):
        table.add_column(heading, no_wrap=heading != "source")
    for row in rows:
        parts = [row["parts"][part] for part in PARTS]
        table.add_row(row["name"], *parts, *_grounds(row))
    return table


def _passes(rows: list[dict[str, Any]]) -> Table:
    from graphprune.report.tables import plain_table

    table = plain_table()
    for heading in ("kind", "name", "options", "needs", "source"):
        table.add_column(heading, no_wrap=heading != "source")
    for row in rows:
        written = "\n".join(option["written"] for option in row["options"])
        table.add_row(row["kind"], row["name"], written, *_grounds(row))
    return table


def _grounds(row: dict[str, Any]) -> tuple[str, str]:
    """Needs and source; of a paper only the first author and the year."""
    source = row["source"]
    paper = re.match(r'(\w+) .*?, ".*", (?:arXiv (\d\d)\d\d\.|.*?\b((?:19|20)\d\d)\b)', source)
    if paper:
        author, recent, year = paper.groups()
        source = f"{author} {year or '20' + recent}"
    return ", ".join(row["needs"]), source


def _details(row: dict[str, Any]) -> Iterator[str]:
    """Everything about one method or pass."""
    yield f"{row['kind']} {row['name']}: {row['summary']}"
    for option in row["options"]:
        takes = f" ({option['takes']})" if option["takes"] else ""
        yield f"  {option['written']}{takes}: {option['about']}".rstrip(": ")
    if row["needs"]:
        yield f"  needs:  {', '.join(row['needs'])}"
    if row["source"]:
        yield f"  source: {row['source']}"
