"""Whether times can be believed: equal models, a half-wide one, and one group at all widths."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.latency import page
from graphprune import compare, prune
from graphprune.backends.base import get
from graphprune.measure.models import Setting
from graphprune.measure.paired import Comparison, Pairing
from graphprune.measure.widths import Place, Sampling, measure_widths, read_table
from graphprune.report import charts, figures

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """What is asked for.

    Attributes:
        model: An ONNX file.
        group: The group whose widths are timed.
        widths: Its widths.
        backend: The engine.
        threads: Threads within one operation.
        seconds: How long each pair is timed.
        runs: How often the model is timed against itself.
        rounds: How often each width is timed.
        out: Folder of the results.
    """

    model: Path
    group: str
    widths: list[int]
    backend: str
    threads: int
    seconds: float
    runs: int
    rounds: int
    out: Path


def same(run: Run) -> None:
    """Times the model against itself, again and again; every run is kept as it comes."""
    found: list[dict[str, Any]] = []
    for seed in range(run.runs):
        timed = paired(run, run.model, seed)
        found.append(timed.to_dict())
        print(f"equal models, run {seed + 1}: {timed.low:.3f} to {timed.high:.3f}", flush=True)
        written(run.out / "same.json", {"model": run.model.name, "runs": found})


def half(run: Run) -> None:
    """Times a copy of half the width against the model."""
    result = prune(run.model, channels=0.5, run=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.onnx"
        result.save(path, unproven=True)
        timed = paired(run, path, 0)
    macs = [cost.macs for cost in result.cost]
    document = {"model": run.model.name, "macs": macs, **timed.to_dict(), "samples": timed.samples}
    written(run.out / "half.json", document)
    print(timed.sentence(), timed.noise_sentence(), sep="\n", flush=True)


def widths(run: Run) -> None:
    """Times one group at all widths, and draws the staircase; goes on where it was stopped."""
    path = run.out / "widths.json"
    table = measure_widths(
        Place.of(run.model, run.group),
        run.widths,
        Setting(get(run.backend), threads=run.threads),
        sampling=Sampling(rounds=run.rounds),
        table=read_table(path),
        save=lambda found: print(f"widths, round {len(found.rounds)}", flush=True),
    )
    path.write_text(table.to_json(), encoding="utf-8")
    figures.write(charts.staircase(table), run.out / "staircase.svg")


def paired(run: Run, other: Path, seed: int) -> Comparison:
    """Times another model against the model; both are checked against unoptimised runs first."""
    return compare(
        run.model,
        other,
        backend=run.backend,
        threads=run.threads,
        options=Pairing(seconds=run.seconds, seed=seed),
    )


def written(path: Path, document: Any) -> None:
    """Writes a document as JSON."""
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


PARTS: dict[str, Callable[[Run], None]] = {"same": same, "half": half, "widths": widths}


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="resnet18.dynamo.onnx")
    parser.add_argument("--group", default="g2", help="the group whose widths are timed")
    parser.add_argument("--step", type=int, default=4, help="between its widths")
    parser.add_argument("--full", type=int, default=64, help="its full width")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each pair of models")
    parser.add_argument("--runs", type=int, default=20, help="of the model against itself")
    parser.add_argument("--rounds", type=int, default=40, help="of every width")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = list(range(given.step, given.full + 1, given.step))
    run = Run(
        given.model, given.group, chosen, given.backend, given.threads, given.seconds, given.runs,
        given.rounds, given.out,
    )  # fmt: skip
    for part in given.only:
        PARTS[part](run)
    (given.out / "latency.md").write_text(page.page(given.out), encoding="utf-8")


if __name__ == "__main__":
    main()
