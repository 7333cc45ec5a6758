"""``graphprune bench``: how fast one model is, or which of two is faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.cli import engines, files, options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.data import Feeds
    from graphprune.measure.models import Setting, Timing
    from graphprune.measure.paired import Comparison

_WARM_UP = 0.1
"""Share of the time that does not count."""


def bench(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="An ONNX file, the baseline.", show_default=False)
    ],
    b: Annotated[
        Path | None,
        typer.Argument(metavar="[B]", help="A file to compare with it.", show_default=False),
    ] = None,
    backend: engines.BackendName = "onnxruntime",
    option: engines.Settings = None,
    fp16: engines.Half = False,
    bf16: engines.Brain = False,
    isolated: engines.IsolatedProcess = False,
    python: engines.Python = None,
    limit: engines.Limit = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long, for each batch size.")] = 10.0,
    threads: options.Threads = None,
    shape: options.Shapes = None,
    batch: engines.Batches = None,
    check: engines.Check = True,
    samples: engines.Samples = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Time one model, or two in turns, on an engine, with random inputs.

    Two models run in short blocks in random order, and only ratios of neighbouring blocks count:
    so other work on the machine, or a clock that drifts, harms neither of them.
    """
    from graphprune.measure.models import Setting

    _check(verbose, quiet, samples)
    engine = engines.backend(backend, option, isolated=isolated, python=python, limit=limit)
    setting = Setting(engine, None, engines.precision(fp16, bf16), threads, check)
    feeds = list(_feeds(a, files.shapes(shape), engines.batches(batch), seed))
    with Stages(quiet=quiet or json, verbose=verbose) as stage:
        found = [_measured(a, b, one, setting, seconds, seed, stage) for one in feeds]
    _report(found, feeds, batch is not None, samples, json, quiet)


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


def _measured(
    a: Path,
    b: Path | None,
    feeds: Feeds,
    setting: Setting,
    seconds: float,
    seed: int,
    stage: Stages,
) -> Comparison | Timing:
    """Times one model, or two, at one batch size."""
    from graphprune.measure import models
    from graphprune.measure.paired import Pairing

    if b is None:
        stage("building, checking and timing")
        kept = seconds * (1 - _WARM_UP)
        return models.alone(a, feeds, setting, seconds=kept, warmup=seconds * _WARM_UP)
    _check_inputs(a, b)
    stage("building, checking and timing in turns")
    return models.compare(
        a,
        b,
        backend=setting.backend,
        feeds=feeds,
        precision=setting.precision,
        threads=setting.threads,
        check=setting.check,
        options=Pairing(seconds=seconds, seed=seed),
        progress=stage.share,
    )


def _check_inputs(a: Path, b: Path) -> None:
    """Refuses two models that cannot take the same inputs.

    Raises:
        BadData: Names or types differ.
    """
    from graphprune.frontends.onnx import load

    specs = [files.input_specs(load(path)) for path in (a, b)]
    named = [{spec.name: spec.dtype for spec in side} for side in specs]
    if named[0] != named[1]:
        raise BadData(
            "the models take different inputs, so they cannot be compared",
            why=" against ".join("; ".join(map(str, side)) or "none" for side in specs),
        )


def _report(
    found: list[Comparison | Timing],
    feeds: list[Feeds],
    swept: bool,
    samples: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Prints the results, and writes them with all samples where asked to."""
    from graphprune.report import documents, latency, tables

    sizes = [{name: list(array.shape) for name, array in one.items()} for one in feeds]
    if samples is not None:
        whole = [
            {**latency.document(one, shapes), "samples": one.samples}
            for one, shapes in zip(found, sizes, strict=True)
        ]
        _write(samples, documents.dumped({"results": whole}))
    if json:
        each: list[Any] = [latency.document(*pair) for pair in zip(found, sizes, strict=True)]
        typer.echo(documents.dumped({"results": each} if swept else each[0]))
    elif not quiet:
        latency.show(tables.console(), found, sizes)


def _check(verbose: bool, quiet: bool, path: Path | None) -> None:
    """Refuses, before anything is measured, what would fail or contradict itself afterwards."""
    options.check_loudness(verbose, quiet)
    if path is not None and not path.parent.is_dir():
        raise BadData("the samples cannot be written: there is no such folder", where=str(path))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadData("the samples cannot be written", where=str(path), why=error.strerror) from (
            error
        )
