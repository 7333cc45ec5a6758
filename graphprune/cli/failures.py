"""What becomes of an error: its text on stderr, or JSON on stdout, and status 2."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from graphprune.errors import BackendError, BackendUnavailable, GraphpruneError

ERROR = 2

# What the parser raises; typer brings its own copy of click, and older versions do not.
_Misuse: type[Exception] = typer.BadParameter.__mro__[1]


@contextmanager
def reported(words: Sequence[str]) -> Iterator[bool]:
    """Turns failures into messages and an exit status.

    Args:
        words: The command line.

    Yields:
        Whether the outcome is to be JSON.

    Raises:
        SystemExit: Something failed.
    """
    as_json = "--json" in words
    try:
        yield as_json
    except GraphpruneError as error:
        fail(error, as_json)
    except _Misuse as error:
        message = getattr(error, "format_message", error.__str__)()
        fail(GraphpruneError(message, fix="see graphprune COMMAND --help"), as_json, "UsageError")
    except (OSError, MemoryError) as error:
        fail(GraphpruneError(str(error) or "out of memory"), as_json, type(error).__name__)
    except Exception as error:
        if {"-v", "--verbose"} & set(words):
            traceback.print_exc()
        unforeseen = GraphpruneError(
            f"{type(error).__name__}: {error}",
            why="this is a bug in graphprune, not in your model or command",
            fix="run the command again with -v for the traceback, and please report it",
        )
        fail(unforeseen, as_json, "InternalError")


def fail(error: GraphpruneError, as_json: bool, kind: str | None = None) -> None:
    """Prints an error and exits.

    Args:
        error: What happened.
        as_json: Whether to print JSON on stdout, or text on stderr.
        kind: The error's class as the message gives it; its own where None.

    Raises:
        SystemExit: Always.
    """
    kind = kind or type(error).__name__
    if as_json:
        parts = {"what": error.what, "where": error.where, "why": error.why, "fix": error.fix}
        typer.echo(json.dumps({"error": {"class": kind, **parts}}, indent=2))
    else:
        text = str(error).removeprefix(f"{type(error).__name__}: ")
        typer.secho(f"{kind}:", fg="red", bold=True, err=True, nl=False)
        typer.echo(f" {text}", err=True)
    sys.exit(ERROR)


def explained(error: BackendError | BackendUnavailable, model: Path) -> GraphpruneError:
    """An engine's error, with the way around it where it is the original that cannot be run.

    Args:
        error: What the engine said while a result was proven.
        model: The original.
    """
    from graphprune.backends.base import get

    fix = "prove it on labels only: --no-run"
    if isinstance(error, BackendUnavailable):
        fix = f"{error.fix}, or {fix}"
        return BackendUnavailable(error.what, where=error.where, why=error.why, fix=fix)
    try:
        get("onnxruntime", optimization="none").build(model).close()
    except BackendError as own:
        return BackendError(
            "onnxruntime cannot run the original model, so numbers cannot be compared",
            where=str(model),
            why=own.why or own.what,
            fix=fix,
        )
    return error
