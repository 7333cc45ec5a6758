"""The command line: one file a command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command that the process's arguments name."""
    from graphprune.cli.app import app

    app(prog_name="graphprune")
