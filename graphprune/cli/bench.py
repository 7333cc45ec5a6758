"""``graphprune bench``: how fast one model is, or which of two is faster."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.cli import files, options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.data import Feeds
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
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 10.0,
    threads: options.Threads = None,
    shape: options.Shapes = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Time one model, or two in turns, on onnxruntime with random inputs.

    Two models run in short blocks in random order, and only ratios of neighbouring blocks count:
    so other work on the machine, or a clock that drifts, harms neither of them.
    """
    from graphprune.measure.models import sample_feeds

    options.check_loudness(verbose, quiet)
    feeds = sample_feeds(a, files.shapes(shape), seed)
    with Stages(quiet=quiet or json, verbose=verbose) as stage:
        if b is None:
            durations = _alone(a, feeds, seconds, threads, stage)
        else:
            _check_inputs(a, b)
            found = _paired(a, b, feeds, seconds, threads, seed, stage)
    if quiet and not json:
        return
    if b is None:
        _print_alone(durations, feeds, json)
    else:
        _print_paired(found, feeds, json)


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


def _alone(
    model: Path, feeds: Feeds, seconds: float, threads: int | None, stage: Stages
) -> list[float]:
    """Durations of single calls."""
    from graphprune.backends.base import get
    from graphprune.measure.timing import time_block

    stage("building the engine")
    engine = get("onnxruntime").build(model, threads=threads)
    try:
        call = functools.partial(engine.run, feeds)
        stage("warming up")
        time_block(call, seconds * _WARM_UP, time.perf_counter)
        stage("timing")
        return time_block(call, seconds * (1 - _WARM_UP), time.perf_counter)
    finally:
        engine.close()


def _paired(
    a: Path,
    b: Path,
    feeds: Feeds,
    seconds: float,
    threads: int | None,
    seed: int,
    stage: Stages,
) -> Comparison:
    from graphprune.measure.models import compare
    from graphprune.measure.paired import Pairing

    stage("timing in turns")
    options_ = Pairing(seconds=seconds, seed=seed)
    return compare(a, b, feeds=feeds, threads=threads, options=options_, progress=stage.share)


def _sizes(feeds: Feeds) -> dict[str, Any]:
    return {name: list(array.shape) for name, array in feeds.items()}


def _inputs(feeds: Feeds) -> str:
    listed = ", ".join(f"{name} {shape}" for name, shape in _sizes(feeds).items())
    return f"on onnxruntime with random inputs: {listed}"


def _print_alone(durations: list[float], feeds: Feeds, json: bool) -> None:
    from graphprune.report import documents, latency, tables
    from graphprune.report.numbers import duration

    found = latency.percentiles(durations)
    if json:
        typer.echo(documents.dumped({"latency": found, "inputs": _sizes(feeds)}))
        return
    calls = found.pop("calls")
    parts = "   ".join(f"{name} {duration(value)}" for name, value in found.items())
    console = tables.console()
    console.print(_inputs(feeds), soft_wrap=True)
    console.print(f"{parts}   ({calls:,} calls)")


def _print_paired(found: Comparison, feeds: Feeds, json: bool) -> None:
    from graphprune.report import documents, tables
    from graphprune.report.numbers import duration

    if json:
        typer.echo(documents.dumped({**found.to_dict(), "inputs": _sizes(feeds)}))
        return
    console = tables.console()
    console.print(_inputs(feeds), soft_wrap=True)
    for name, side in (("A", found.a), ("B", found.b)):
        p50, p95 = duration(side.p50), duration(side.p95)
        console.print(f"{name}  p50 {p50}   p95 {p95}   ({side.calls:,} calls)")
    console.print(f"B is {found.sentence()}", soft_wrap=True)
    console.print(found.noise_sentence(), soft_wrap=True)
