"""What the compiler makes of one model, as one row of the zoo's table.

Analysis and pruning run on one thread and are timed in processor seconds, which on a machine that
does nothing else are the clock's; the proof runs the engine's threads and is timed by the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

import graphprune
from benchmarks.zoo.coverage import Kind, Side, sides
from graphprune.errors import BackendError, GraphpruneError

EXPORTERS = ("dynamo", "dynamo-batch", "legacy", "legacy13")
MACS = 0.5  # the budget of every row
ANALYSES = 3  # the median of these is reported


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        model: The file's name without its endings.
        exporter: Which of PyTorch's exporters wrote it, or the producer the file names.
        convs: Convolutions whose sides are all free or bound, and all convolutions.
        linears: The same of matrix products with a parameter.
        unexplained: Sides that are neither free nor bound and have no reason.
        groups: Groups of coupled channels.
        rows: Groups of several rows: heads, grouped convolutions.
        frozen: Parameter axes that may not be narrowed.
        approximate: Groups across whose channels a norm's statistics run.
        analysis: Processor seconds to load, lower and couple, in a warm process.
        prune: Processor seconds from the file to the edited model, proof excluded.
        proof: Seconds of the proof.
        macs: MACs after, divided by those before.
        error: Largest relative error against the masked original.
        verdict: "proven", or why not.
        stuck: How often each reason holds a side that is neither free nor bound.
    """

    model: str
    exporter: str
    convs: tuple[int, int] = (0, 0)
    linears: tuple[int, int] = (0, 0)
    unexplained: int = 0
    groups: int = 0
    rows: int = 0
    frozen: int = 0
    approximate: int = 0
    analysis: float | None = None
    prune: float | None = None
    proof: float | None = None
    macs: float | None = None
    error: float | None = None
    verdict: str = ""
    stuck: dict[str, int] = field(default_factory=dict)


def survey(path: Path) -> Row:
    """Inspects and prunes one file.

    Args:
        path: An .onnx file.

    Returns:
        Its row; what the compiler refuses is a verdict, not an error.
    """
    stem, _, exporter = path.stem.partition(".")
    row = Row(stem, exporter) if exporter in EXPORTERS else Row(path.stem, _producer(path))
    try:
        return _pruned(path, _inspected(path, row))
    except GraphpruneError as error:
        return replace(row, verdict=f"refused: {_short(error)}")


def covered(judged: list[Side], kind: Kind) -> tuple[int, int]:
    """How many layers have no side that is neither free nor bound, and how many there are."""
    layers: dict[str, bool] = {}
    for side in judged:
        if side.kind == kind:
            layers[side.layer] = layers.get(side.layer, True) and (side.free or side.bound)
    return sum(layers.values()), len(layers)


def _producer(path: Path) -> str:
    model: Any = onnx.load(path, load_external_data=False)
    return f"{model.producer_name} {model.producer_version}".strip()


def _inspected(path: Path, row: Row) -> Row:
    seconds = []
    graphprune.inspect(path)  # modules are imported when first used
    for _ in range(ANALYSES):
        start = time.process_time()
        coupling = graphprune.inspect(path).coupling
        seconds.append(time.process_time() - start)
    judged = sides(coupling)
    stuck = [side for side in judged if not side.free and not side.bound]
    return replace(
        row,
        convs=covered(judged, "conv"),
        linears=covered(judged, "linear"),
        unexplained=sum(not side.reasons for side in stuck),
        groups=len(coupling.groups),
        rows=sum(group.rows > 1 for group in coupling),
        frozen=len(coupling.frozen),
        approximate=sum(not group.exact for group in coupling),
        analysis=statistics.median(seconds),
        stuck=dict(Counter(reason for side in stuck for reason in side.reasons).most_common()),
    )


def _pruned(path: Path, row: Row) -> Row:
    begun: dict[str, tuple[float, float]] = {}

    def stage(name: str) -> None:
        begun[name] = (time.process_time(), time.perf_counter())

    note = ""
    try:
        result = _prune(path, stage, run=True)
    except BackendError as error:
        note = f" on labels only: {_short(error)}"
        result = _prune(path, stage, run=False)
    except GraphpruneError as error:
        return replace(row, verdict=f"refused: {_short(error)}")
    end = time.perf_counter()
    first, last = min(begun.values()), max(begun.values())  # the last stage is the proof
    proof, (before, after) = result.proof, result.cost
    verdict = "proven" + note
    if not proof.ok:
        worst = proof.masked.worst if proof.masked else 0.0
        why = "; ".join(proof.replay.failures) or f"error {worst:.1e} above {proof.tolerance:.0e}"
        verdict = f"not proven: {why}"
    elif proof.left_out:
        verdict += f"; the numeric proof leaves {', '.join(proof.left_out)} whole"
    return replace(
        row,
        prune=last[0] - first[0],
        proof=end - last[1],
        macs=after.macs / before.macs if before.macs else None,
        error=proof.masked.worst if proof.masked else None,
        verdict=verdict,
    )


def _prune(path: Path, stage: Callable[[str], None], *, run: bool) -> graphprune.Result:
    return graphprune.prune(path, macs=MACS, run=run, stage=stage)


def _short(error: GraphpruneError) -> str:
    parts = (error.what, error.why)
    return f"{type(error).__name__}: " + "; ".join(" ".join(p.split()) for p in parts if p)


def main() -> None:
    """Prints one model's row as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    print(json.dumps(asdict(survey(parser.parse_args().model))))


if __name__ == "__main__":
    main()
