"""``graphprune demo``: the whole way on a small network, in under a minute."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphprune.cli import options
from graphprune.cli.progress import Stages
from graphprune.errors import BadData

if TYPE_CHECKING:
    from graphprune.measure.paired import Comparison
    from graphprune.result import Result

NOT_EQUIVALENT = 1
_BUDGET, _MULTIPLE = "0.5", 8
_LABELS = "labels"
_ORIGINAL, _SMALL = "digits.onnx", "digits-half.onnx"


@dataclass(frozen=True)
class _Outcome:
    """What the demo found."""

    result: Result
    sizes: tuple[int, int]
    right: tuple[int, int]
    images: int
    timing: Comparison


def demo(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the files here; made if it does not exist."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 5.0,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Prune a small digit classifier to half its MACs: prove it, test it, time it."""
    options.check_loudness(verbose, quiet)
    made = tempfile.TemporaryDirectory() if out is None else nullcontext(_folder(out))
    with made as folder:
        with Stages(quiet=quiet or json, verbose=verbose) as stage:
            outcome = _run(Path(folder), seconds, seed, stage)
        _report(outcome, out, json, verbose, quiet)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadData("the folder cannot be made", where=str(path), why=error.strerror) from error
    return path


def _run(folder: Path, seconds: float, seed: int, stage: Stages) -> _Outcome:
    from graphprune import compiler
    from graphprune.cli import files
    from graphprune.measure.models import compare
    from graphprune.measure.paired import Pairing

    packaged = resources.files("graphprune") / "demo_data"
    for name in (_ORIGINAL, "calibration.npz", "test.npz"):
        with resources.as_file(packaged / name) as source:
            shutil.copyfile(source, folder / name)
    original, small = folder / _ORIGINAL, folder / _SMALL
    feeds = files.proof_feeds(folder / "calibration.npz", original, {})
    result = compiler.prune(
        original, data=feeds, macs=_BUDGET, round_to=_MULTIPLE, seed=seed, stage=stage
    )
    result.save(small)
    stage("classifying the test images")
    labels, right = _right(folder / "test.npz", original, small)
    stage("timing both models in turns")
    timing = compare(
        original, small, options=Pairing(seconds=seconds, seed=seed), progress=stage.share
    )
    sizes = (original.stat().st_size, small.stat().st_size)
    return _Outcome(result, sizes, right, labels, timing)


def _right(data: Path, original: Path, small: Path) -> tuple[int, tuple[int, int]]:
    """How many test images there are, and how many each network gets right."""
    from graphprune.backends.base import get
    from graphprune.cli import files
    from graphprune.data import load_feeds
    from graphprune.frontends.onnx import load

    specs = files.input_specs(load(original))
    feeds = load_feeds(data, specs, samples=True, beside=(_LABELS,))
    labels = feeds.pop(_LABELS)
    right = []
    for model in (original, small):
        engine = get("onnxruntime").build(model)
        logits = engine.run(feeds)[engine.outputs[0]]
        engine.close()
        right.append(int((logits.argmax(axis=1) == labels).sum()))
    return len(labels), (right[0], right[1])


def _report(outcome: _Outcome, out: Path | None, json: bool, verbose: bool, quiet: bool) -> None:
    if json:
        from graphprune.report import documents

        accuracy = {"images": outcome.images, "right": list(outcome.right)}
        document = documents.result_document(outcome.result, outcome.sizes)
        document |= {"accuracy": accuracy, "latency": outcome.timing.to_dict()}
        typer.echo(documents.dumped(document))
    elif not quiet:
        _print(outcome, out, verbose)
    if not outcome.result.proof.ok:
        raise typer.Exit(NOT_EQUIVALENT)


def _print(outcome: _Outcome, out: Path | None, verbose: bool) -> None:
    from graphprune.report.outcome import Outcome, show
    from graphprune.report.tables import console

    output = console()
    output.print("a classifier of 8×8 digits, narrowed to half its MACs in multiples of 8 channels")
    output.print(f"accuracy on {outcome.images} test images, without any retraining\n")
    before, after = (f"{n / outcome.images:.1%}" for n in outcome.right)
    points = 100 * (outcome.right[1] - outcome.right[0]) / outcome.images
    accuracy = ("accuracy", before, after, f"{points:+.1f} points".replace("-", "−"))
    found = Outcome(outcome.result, None, outcome.sizes, outcome.timing)
    show(output, found, verbose=verbose, more=[accuracy])
    if out is None:
        output.print("\nkeep the files with: graphprune demo --out FOLDER")
    else:
        output.print(f"\nwrote {out / _SMALL} and its plan; try it yourself:")
        output.print(f"  cd {out} && graphprune verify {_ORIGINAL} {_SMALL}", soft_wrap=True)
