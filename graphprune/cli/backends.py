"""``graphprune backends``: the engines, and why one cannot be used here."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import typer

from graphprune.cli import options

if TYPE_CHECKING:
    from graphprune.backends.base import Backend


def backends(json: options.Json = False) -> None:
    """List the engines: which can be used here, and what the others lack."""
    from graphprune.backends.base import variants

    rows = [_row(backend) for backend in variants()]
    if json:
        from graphprune.report import documents

        typer.echo(documents.dumped({"backends": rows}))
        return
    from graphprune.report.tables import console

    width = max(len(row["backend"] or "") for row in rows)
    printed = console()
    for row in rows:
        # No table: it would break the command to install something into pieces.
        usable = "usable" if row["why"] is None else "absent"
        why = "; ".join(filter(None, (row["why"], row["fix"])))
        printed.print(f"{row['backend']:<{width}}  {usable}  {why}".rstrip(), soft_wrap=True)


def _row(backend: Backend) -> dict[str, str | None]:
    """One engine, ready for JSON."""
    from graphprune.backends.base import remedy

    why = backend.available()
    return {
        "backend": _described(backend),
        "name": backend.name,
        "why": why,
        "fix": remedy(backend, why) if why else None,
    }


def _described(backend: Any) -> str:
    """Its name, and the options that are not its defaults."""
    changed = (
        f"{one.name}={getattr(backend, one.name)}"
        for one in fields(backend)
        if one.default is not MISSING and getattr(backend, one.name) != one.default
    )
    return " ".join((backend.name, *changed))
