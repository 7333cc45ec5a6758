"""``graphprune verify``: is one file the narrowed form of another?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.cli import files, options
from graphprune.cli.failures import explained
from graphprune.cli.progress import Stages
from graphprune.errors import BackendError, BackendUnavailable

if TYPE_CHECKING:
    from graphprune.passes.verify import Proof

NOT_EQUIVALENT = 1


def verify(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The model before.", show_default=False)
    ],
    small: Annotated[
        Path, typer.Argument(metavar="SMALL", help="The model after.", show_default=False)
    ],
    plan: options.EmbeddedPlan = None,
    data: options.Data = None,
    runs: options.Runs = 2,
    run: options.Run = True,
    shape: options.Shapes = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Prove that SMALL is ORIGINAL with exactly the channels gone that its plan says.

    Exit status: 0 proven, 1 not equivalent, 2 any error.
    """
    from graphprune.compiler import check

    options.check_loudness(verbose, quiet)
    if not run and data is not None:
        raise typer.BadParameter("nothing is run with --no-run", param_hint="--data")
    shapes = files.shapes(shape)
    with Stages(quiet=quiet, verbose=verbose) as stage:
        found = files.plan(plan) if plan is not None else None
        feeds = files.proof_feeds(data, original, shapes)
        stage("proving")
        settings: dict[str, Any] = {"plan": found, "shapes": shapes, "feeds": feeds, "seed": seed}
        try:
            proof = check(original, small, run=run, runs=runs, **settings)
        except (BackendError, BackendUnavailable) as error:
            raise explained(error, original) from error
    _report(proof, json, quiet)


def _report(proof: Proof, json: bool, quiet: bool) -> None:
    """Prints the verdict.

    Raises:
        Exit: The models are not equivalent.
    """
    if json:
        from graphprune.report import documents

        typer.echo(documents.dumped(proof.to_dict()))
    elif not quiet:
        from graphprune.report.outcome import show_proof
        from graphprune.report.tables import console

        show_proof(console(), proof)
    if not proof.ok:
        raise typer.Exit(NOT_EQUIVALENT)
