"""``graphprune latency``: what an engine makes of the widths of one group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphprune.cli import engines, files, options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.measure.latency_table import LatencyTable
    from graphprune.measure.models import Setting

_MOST_WIDTHS = 256
"""Every width is an engine that is held in memory."""

Table = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="TABLE.json",
        help="Keep the table in a file, round by round: what it has already is not measured again.",
    ),
]


GroupName = Annotated[
    str, typer.Option("--group", metavar="NAME", help="A group: graphprune inspect lists them.")
]
Widths = Annotated[
    str,
    typer.Option("--widths", metavar="8:64:8", help="From, to, step; or single widths: 8,16,24."),
]
Whole = Annotated[
    bool,
    typer.Option("--whole", help="Time the whole model, not only operations on these channels."),
]
Rounds = Annotated[int, typer.Option("--rounds", min=3, help="How often every width is timed.")]
Block = Annotated[
    float, typer.Option("--block", min=0.001, help="Seconds that a width is timed in a round.")
]


def latency(
    model: options.Model,
    group: GroupName,
    widths: Widths,
    output: Table = None,
    whole: Whole = False,
    rounds: Rounds = 20,
    block: Block = 0.1,
    backend: engines.BackendName = "onnxruntime",
    option: engines.Settings = None,
    fp16: engines.Half = False,
    bf16: engines.Brain = False,
    isolated: engines.IsolatedProcess = False,
    python: engines.Python = None,
    limit: engines.Limit = None,
    memory: engines.MemoryLimit = None,
    threads: options.Threads = None,
    shape: options.Shapes = None,
    check: engines.Check = True,
    plot: engines.Staircase = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Time one group of channels at several widths in turns.

    The operations that read or write channels of the group are cut out of the model, narrowed,
    and timed on what the model feeds them; all other groups keep their widths.
    """
    chosen = read_widths(widths)
    _check(verbose, quiet, output, plot)
    engine = engines.backend(backend, option, isolated, python, limit, memory)
    setting = engines.setting(engine, fp16, bf16, threads, check)
    target = (model, group, files.shapes(shape), whole)
    with Stages(quiet=quiet or json, verbose=verbose) as stage:
        table = _measured(target, chosen, setting, (rounds, block, seed), output, stage)
    _report(table, plot, json, quiet)


def _measured(
    target: tuple[Path, str, dict[str, tuple[int, ...]], bool],
    widths: list[int],
    setting: Setting,
    sampling: tuple[int, float, int],
    output: Path | None,
    stage: Stages,
) -> LatencyTable:
    """Times the widths; the table grows in its file round by round."""
    from graphprune.measure.widths import Place, Sampling, measure_widths, read_table

    model, group, shapes, whole = target
    rounds, block, seed = sampling
    stage("finding the group")
    place = Place.of(model, group, shapes, whole=whole)
    stage(f"timing {len(widths)} widths in turns")
    return measure_widths(
        place,
        widths,
        setting,
        sampling=Sampling(rounds=rounds, block=block, seed=seed),
        table=read_table(output) if output else None,
        save=(lambda found: _write(found, output)) if output else None,
        progress=stage.share,
    )


def read_widths(text: str) -> list[int]:
    """Reads ``--widths``: ``8:64:8`` is 8, 16, ... 64; ``8,16`` is 8 and 16.

    Raises:
        BadData: It is neither, or names too many widths.
    """
    wrong = BadData(
        f"'{text}' is no list of widths", where="--widths", fix="write 8:64:8, or 8,16,24"
    )
    parts = text.split(":") if ":" in text else text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise wrong
    numbers = [int(part) for part in parts]
    if ":" in text:
        if len(numbers) not in (2, 3) or numbers[-1] < 1 or numbers[0] > numbers[1]:
            raise wrong
        step = numbers[2] if len(numbers) == 3 else 1
        numbers = list(range(numbers[0], numbers[1] + 1, step))
    if len(set(numbers)) > _MOST_WIDTHS:
        raise BadData(
            f"{len(set(numbers))} widths are too many", why=f"at most {_MOST_WIDTHS} at a time"
        )
    return sorted(set(numbers))


def _check(verbose: bool, quiet: bool, output: Path | None, plot: Path | None) -> None:
    """Refuses, before anything is measured, what would fail or contradict itself afterwards."""
    options.check_loudness(verbose, quiet)
    if output is not None and not output.parent.is_dir():
        raise BadData("the table cannot be written: there is no such folder", where=str(output))
    if plot is not None:
        from graphprune.report import figures

        figures.check(plot)


def _write(table: LatencyTable, path: Path) -> None:
    """Replaces the table in one step, so that an interrupted command leaves a whole one."""
    from graphprune.passes.narrow.write import replacing

    with replacing(path) as file:
        file.write(table.to_json().encode())


def _report(table: LatencyTable, plot: Path | None, json: bool, quiet: bool) -> None:
    """Draws and prints the table."""
    if plot is not None:
        from graphprune.report import charts, figures

        figures.write(charts.staircase(table), plot)
    if json:
        typer.echo(table.to_json(), nl=False)
    elif not quiet:
        from graphprune.report import latency, tables

        latency.show_widths(tables.console(), table)
