"""The commands together, and what becomes of their failures."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import graphprune
from graphprune.cli import (
    backends,
    bench,
    build,
    demo,
    failures,
    inspect,
    latency,
    passes,
    prune,
    verify,
)


class CommandLine(TyperGroup):
    """All commands; whatever fails ends in a message and a status, never in a traceback."""

    def main(self, args: Any = None, *others: Any, **options: Any) -> Any:
        """Parses and runs.

        Args:
            args: Command-line arguments, the process's own where None.
            *others: Handed on.
            **options: Handed on.
        """
        words = [str(word) for word in (sys.argv[1:] if args is None else args)]
        with failures.reported(words) as as_json:
            if not as_json:
                return super().main(args, *others, **options)
            # Not standalone: a misused option must become JSON as well.
            code = super().main(args, *others, **{**options, "standalone_mode": False})
            sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=CommandLine,
    name="graphprune",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A pruning compiler: ONNX in; a narrower, proven, measurably faster ONNX out.",
    epilog="Exit status: 0 done or proven, 1 not equivalent, 2 any error.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graphprune {graphprune.__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options of the program itself."""


app.command("inspect")(inspect.inspect)
app.command("prune", cls=prune.PruneCommand)(prune.prune)
app.command("verify")(verify.verify)
app.command("bench", cls=bench.BenchCommand)(bench.bench)
app.command("build")(build.build)
app.command("passes")(passes.passes)
app.command("latency")(latency.latency)
app.command("backends")(backends.backends)
app.command("demo")(demo.demo)
