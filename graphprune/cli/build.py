"""``graphprune build``: an engine in a file, from an ONNX model."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.cli import engines, files, options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.backends.base import Backend
    from graphprune.backends.tensorrt.shapes import Range
    from graphprune.building import Built

_SHAPES = "Shapes"
_LONGEST = 60
"""Characters of a layer's name: it may hold those of many nodes."""

Engine = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        show_default=False,
        help="The engine to write; for TensorRT what built it, and for what, is written beside "
        "it: small.engine, small.engine.json.",
    ),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option(
        "--shapes",
        "--shape",
        metavar="NAME:1x3x224x224",
        rich_help_panel=_SHAPES,
        help="Shape of an input that the model leaves open, also as NAME:[1,3,224,224]; several "
        "joined by commas, or one each; all as for trtexec or Polygraphy.",
    ),
]
Eight = Annotated[
    bool,
    typer.Option(
        "--int8",
        rich_help_panel="Engine",
        help="Insist on 8-bit integers: a model that is not quantised is refused.",
    ),
]
Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        metavar="SIZE",
        rich_help_panel="Engine",
        help="Scratch memory a layer may use: 4GiB, 512M; all there is if not given.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FOLDER",
        rich_help_panel="Engine",
        help="Keep engines and measured kernels here, and use what is there.",
    ),
]


Layers = Annotated[
    bool,
    typer.Option(
        "--layers",
        help="Time the engine's layers as well, and name the groups of channels whose narrowing "
        "makes each smaller.",
    ),
]


def _bound(end: str, about: str) -> Any:
    return typer.Option(
        f"--{end}Shapes",
        f"--trt-{end}-shapes",
        metavar="NAME:…",
        rich_help_panel=_SHAPES,
        help=about,
    )


Smallest = Annotated[
    list[str] | None, _bound("min", "Smallest shapes, for an engine that takes several.")
]
Usual = Annotated[list[str] | None, _bound("opt", "Shapes such an engine is tuned for.")]
Largest = Annotated[list[str] | None, _bound("max", "Its largest shapes.")]


def build(
    model: options.Model,
    output: Engine,
    backend: engines.BackendName = "tensorrt",
    option: engines.Settings = None,
    fp16: engines.Half = False,
    bf16: engines.Brain = False,
    int8: Eight = False,
    shapes: Fixed = None,
    smallest: Smallest = None,
    usual: Usual = None,
    largest: Largest = None,
    workspace: Workspace = None,
    cache: Cache = None,
    python: engines.Python = None,
    limit: engines.Limit = None,
    check: engines.Check = True,
    layers: Layers = False,
    overwrite: options.Overwrite = False,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Build an engine, compare its outputs with the model's, and write it."""
    from graphprune.building import build_engine

    options.check_loudness(verbose, quiet)
    files.check_output(model, output, overwrite)
    known, ranges = _shapes(shapes, (smallest, usual, largest))
    wanted: dict[str, Any] = {"ranges": ranges or None, "int8": int8 or None}
    wanted |= {"workspace": _size(workspace), "cache": str(cache) if cache else None}
    made = _tuned(engines.backend(backend, option, python=python, limit=limit), wanted)
    how: dict[str, Any] = {"precision": engines.precision(fp16, bf16), "check": check}
    how |= {"shapes": known, "layers": layers, "seed": seed}
    with Stages(quiet=quiet or json, verbose=verbose) as stage:
        stage("building and comparing")
        done = build_engine(model, output, made, **how)
    _report(done, json, quiet)


def _shapes(
    fixed: list[str] | None, bounds: tuple[list[str] | None, ...]
) -> tuple[dict[str, tuple[int, ...]], dict[str, Range]]:
    """Reads all shapes: those an engine runs on first, and the ranges among them."""
    from graphprune.backends.tensorrt import shapes as spellings

    names = ("--minShapes", "--optShapes", "--maxShapes")
    parsed = [spellings.parse(one, name) for one, name in zip(bounds, names, strict=True)]
    ranges = spellings.ranges(*parsed)
    usual = {name: one.usual for name, one in ranges.items()}
    return {**spellings.parse(fixed), **usual}, ranges


def _tuned(made: Backend, wanted: dict[str, Any]) -> Backend:
    """The backend with options of its own.

    Raises:
        BadData: It has no such option.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    one: Any = made
    known = {field.name for field in fields(one)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise BadData(f"backend {made.name!r} knows nothing of {', '.join(unknown)}")
    tuned: Backend = replace(one, **given)
    return tuned


def _size(text: str | None) -> int | None:
    """Reads ``--workspace``.

    Raises:
        BadData: It is no number of bytes.
    """
    if text is None:
        return None
    from graphprune.budget import parse_amount

    size = parse_amount(text)
    if size <= 1:
        raise BadData(f"'{text}' is no number of bytes", where="--workspace", fix="such as 4GiB")
    return int(size)


def _report(built: Built, json: bool, quiet: bool) -> None:
    """Prints what was written."""
    if json:
        from graphprune.report import documents

        typer.echo(documents.dumped(built.to_dict()))
    elif not quiet:
        from graphprune.report.numbers import human

        took = f", built in {built.seconds:.1f} s" if built.seconds is not None else ""
        size = human(built.size, "B")
        typer.echo(f"wrote {built.path} ({size}{took})")
        typer.echo(f"  {built.conditions}")
        if built.error is not None:
            typer.echo(f"  largest relative error against onnxruntime: {built.error:.1e}")
        for note in built.notes:
            typer.echo(f"  note: {note}")
        if built.layers:
            _show_layers(built)


def _show_layers(built: Built) -> None:
    """Prints the layers in order of execution."""
    from graphprune.report import tables
    from graphprune.report.numbers import duration, shortened

    whole = sum(layer.seconds for layer in built.layers)
    table = tables.plain_table()
    for name in ("layer", "time", "share", "groups"):
        table.add_column(name, justify="left" if name in ("layer", "groups") else "right")
    for layer in built.layers:
        share = f"{layer.seconds / whole:.0%}" if whole else ""
        groups = "copies" if layer.copies else " ".join(layer.groups)
        table.add_row(shortened(layer.name, _LONGEST), duration(layer.seconds), share, groups)
    console = tables.console()
    console.print()
    console.print(table)
