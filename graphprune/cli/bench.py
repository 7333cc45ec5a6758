"""``graphprune bench``: how fast one model is, or how much faster others are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from graphprune.cli import engines, files, options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.data import Feeds
    from graphprune.measure.layers import LayerTime
    from graphprune.measure.models import Setting, Timing
    from graphprune.measure.paired import Comparison
    from graphprune.report.latency import Measured

_WARM_UP = 0.1
"""Share of the time that does not count."""

_WATCHED = 0.3
"""Share of the time that layers are watched for, after it."""


class BenchCommand(TyperCommand):
    """Reads ``--json OUT.json`` as what it says, beside the ``--json`` of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parses, with the file after ``--json`` as an option of its own."""
        words: list[str] = []
        for word in args:
            if words[-1:] == ["--json"] and word.lower().endswith(".json"):
                words[-1] = "--samples"
            words.append(word)
        return super().parse_args(ctx, words)


@dataclass(frozen=True)
class _Request:
    """What is measured, as it came from the command line."""

    first: Path
    others: tuple[Path, ...]
    setting: Setting
    seconds: float
    seed: int
    per_layer: bool

    @property
    def pairs(self) -> list[tuple[Path, ...]]:
        """The first model with each of the others; alone where there are none."""
        return [(self.first, other) for other in self.others] or [(self.first,)]


First = Annotated[
    Path, typer.Argument(metavar="A", help="An ONNX file, the baseline.", show_default=False)
]
Others = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[B]...", help="Files to compare with it, one by one.", show_default=False
    ),
]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0.1, help="How long, for each pair and batch size.")
]


def bench(
    a: First,
    others: Others = None,
    backend: engines.BackendName = "onnxruntime",
    option: engines.Settings = None,
    fp16: engines.Half = False,
    bf16: engines.Brain = False,
    isolated: engines.IsolatedProcess = False,
    python: engines.Python = None,
    limit: engines.Limit = None,
    memory: engines.MemoryLimit = None,
    seconds: Seconds = 10.0,
    threads: options.Threads = None,
    shape: options.Shapes = None,
    batch: engines.Batches = None,
    transfers: engines.Transfers = False,
    per_layer: engines.PerLayer = False,
    check: engines.Check = True,
    samples: engines.Samples = None,
    plot: engines.Plot = None,
    seed: options.Seed = 0,
    json: engines.JsonOrFile = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Time one model, or others against it in turns, on an engine, with random inputs.

    Two models run in short blocks in random order, and only ratios of neighbouring blocks count:
    so other work on the machine, or a clock that drifts, harms neither of them.
    """
    _check(verbose, quiet, samples, plot, others)
    engine = engines.backend(backend, option, isolated, python, limit, memory)
    setting = engines.setting(engine, fp16, bf16, threads, check, transfers)
    request = _Request(a, tuple(others or ()), setting, seconds, seed, per_layer)
    feeds = list(_feeds(a, files.shapes(shape), engines.batches(batch), seed))
    with Stages(quiet=quiet or json, verbose=verbose) as stage:
        found = [_measured(request, pair, one, stage) for pair in request.pairs for one in feeds]
    _write(found, samples, plot)
    _report(found, batch is not None or len(request.others) > 1, json, quiet)


def _feeds(
    model: Path, shapes: dict[str, tuple[int, ...]], sizes: list[int], seed: int
) -> Iterator[Feeds]:
    """Random inputs at each batch size; at the model's own where none is given."""
    from graphprune.frontends.onnx import load
    from graphprune.measure.models import sample_feeds

    first = sample_feeds(model, shapes, seed)
    if not sizes:
        yield first
    for size in sizes:
        whole = {name: array.shape for name, array in first.items()}
        specs = tuple(spec for spec in files.input_specs(load(model)) if spec.name in first)
        yield sample_feeds(model, engines.batched(specs, whole, size), seed)


def _measured(request: _Request, pair: tuple[Path, ...], feeds: Feeds, stage: Stages) -> Measured:
    """Times one model, or two, at one batch size."""
    from graphprune.inspection import inspect
    from graphprune.report.latency import Measured

    _check_inputs(pair)
    shapes = {name: array.shape for name, array in feeds.items()}
    stage("counting MACs")
    macs = tuple(inspect(path, shapes=shapes).cost_model.full.macs for path in pair)
    found = _timed(request, pair, feeds, stage)
    layers = _layers(request, pair, feeds, stage) if request.per_layer else ()
    return Measured(found, shapes, tuple(path.name for path in pair), macs, layers)


def _timed(
    request: _Request, pair: tuple[Path, ...], feeds: Feeds, stage: Stages
) -> Comparison | Timing:
    from graphprune.measure import models
    from graphprune.measure.paired import Pairing

    setting, seconds = request.setting, request.seconds
    if len(pair) == 1:
        stage("building, checking and timing")
        kept = seconds * (1 - _WARM_UP)
        return models.alone(*pair, feeds, setting, seconds=kept, warmup=seconds * _WARM_UP)
    stage("building, checking and timing in turns")
    return models.compare(
        *pair,
        backend=setting.backend,
        feeds=feeds,
        precision=setting.precision,
        threads=setting.threads,
        check=setting.check,
        transfers=setting.transfers,
        options=Pairing(seconds=seconds, seed=request.seed),
        progress=stage.share,
    )


def _layers(
    request: _Request, pair: tuple[Path, ...], feeds: Feeds, stage: Stages
) -> tuple[LayerTime, ...]:
    from graphprune.measure.layers import per_layer

    stage("watching layers")
    return per_layer(pair, feeds, request.setting, seconds=_WATCHED * request.seconds)


def _check_inputs(pair: tuple[Path, ...]) -> None:
    """Refuses two models that cannot take the same inputs.

    Raises:
        BadData: Names or types differ.
    """
    from graphprune.frontends.onnx import load

    specs = [files.input_specs(load(path)) for path in pair]
    named = [{spec.name: spec.dtype for spec in side} for side in specs]
    if any(side != named[0] for side in named):
        raise BadData(
            "the models take different inputs, so they cannot be compared",
            why=" against ".join("; ".join(map(str, side)) or "none" for side in specs),
        )


def _write(found: Sequence[Measured], samples: Path | None, plot: Path | None) -> None:
    """Writes the results with all samples, and the plot, where asked to."""
    if samples is not None:
        from graphprune.report import documents, latency

        whole = [latency.document(one, samples=True) for one in found]
        try:
            samples.write_text(documents.dumped({"results": whole}) + "\n", encoding="utf-8")
        except OSError as error:
            raise BadData(
                "the samples cannot be written", where=str(samples), why=error.strerror
            ) from error
    if plot is not None:
        from graphprune.report import charts, figures

        figures.write(charts.speedups(found), plot)


def _report(found: Sequence[Measured], swept: bool, json: bool, quiet: bool) -> None:
    """Prints the results."""
    from graphprune.report import documents, latency, tables

    if json:
        each: list[Any] = [latency.document(one) for one in found]
        typer.echo(documents.dumped({"results": each} if swept else each[0]))
    elif not quiet:
        latency.show(tables.console(), found)


def _check(
    verbose: bool, quiet: bool, samples: Path | None, plot: Path | None, others: Any
) -> None:
    """Refuses, before anything is measured, what would fail or contradict itself afterwards."""
    options.check_loudness(verbose, quiet)
    if samples is not None and not samples.parent.is_dir():
        raise BadData("the samples cannot be written: there is no such folder", where=str(samples))
    if plot is not None:
        from graphprune.report import figures

        figures.check(plot)
        if not others:
            raise BadData("a plot shows one model against another", fix="give two models")
