"""Accuracy straight after pruning, without any training: every method, several budgets.

    python -m benchmarks.pfp.oneshot --data DIR

Every measurement is a line of results/oneshot.jsonl; what is there is not measured again, and
methods that this graphprune lacks are left out until a later run finds them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import Progress
from torch import nn

import graphprune
from benchmarks.images import data, networks
from benchmarks.images.evaluate import accuracy, macs, parameters
from benchmarks.images.record import Line, Record, versions
from benchmarks.pfp import oneshot_table
from benchmarks.pfp.methods import METHODS, Unavailable, available, calibration, options

RESULTS = Path(__file__).parent / "results"
KEYS = ("network", "method", "removed", "seed", "images")


class Job(NamedTuple):
    """One thing to measure.

    Attributes:
        network: Its name.
        method: Name of the method.
        removed: Per cent of the multiply-accumulates to remove.
        seed: Of what is drawn.
        images: Test images.
    """

    network: str
    method: str
    removed: int
    seed: int
    images: int


class Bench:
    """A pretrained network with everything it is measured on.

    Args:
        name: Of the network.
        folder: Holds images and weights.
        images: How many test images.

    Raises:
        SystemExit: There are no weights.
    """

    def __init__(self, name: str, folder: Path, images: int) -> None:
        entry = networks.NETWORKS[name]
        found = networks.pretrained(name, folder)
        if found is None:
            raise SystemExit(f"{folder} holds no {entry.pretrained or 'weights of ' + name}")
        self.network: nn.Module = found
        self.example = torch.zeros(1, *entry.shape)
        self.test = data.load(entry.data, "test", folder, count=images)
        self.data: Any = calibration(found, self.example, data.load(entry.data, "train", folder))
        self.full = (macs(found, entry.shape), parameters(found))
        self.shape = entry.shape

    def original(self) -> Line:
        """What the network reaches unpruned."""
        return {"accuracy": accuracy(self.network, self.test), "macs": 1.0, "params": 1.0}

    def measure(self, job: Job) -> Line:
        """Prunes by one method to one budget.

        Raises:
            Unavailable: This graphprune does not have the method.
            SystemExit: The pruned network is not proven right.
        """
        begun = time.perf_counter()
        with available():
            result = graphprune.prune(
                self.network,
                self.example,
                data=self.data,
                macs=1 - job.removed / 100,
                **options(job.method, job.seed),
            )
        seconds = time.perf_counter() - begun
        if not result.proof.ok:
            raise SystemExit(f"{job}: the proof failed: {result.proof.to_dict()}")
        return {
            "accuracy": accuracy(result.model, self.test),
            "macs": round(macs(result.model, self.shape) / self.full[0], 5),
            "params": round(parameters(result.model) / self.full[1], 5),
            "planned_macs": round(result.cost[1].macs / result.cost[0].macs, 5),
            "proven": True,
            "error": result.proof.masked.worst if result.proof.masked else None,
            "points": sum(len(labels) for _, labels in self.data),
            "seconds": round(seconds, 2),
        }


def jobs(name: str, given: argparse.Namespace) -> Iterator[Job]:
    """What there is to measure on one network, one draw of everything before the second draws."""
    yield Job(name, "original", 0, 0, given.images)
    for seed in range(given.draws):
        for method in given.methods:
            if seed == 0 or METHODS[method].random:
                for removed in given.removed:
                    yield Job(name, method, removed, seed, given.images)


def run(name: str, given: argparse.Namespace, record: Record, progress: Progress) -> None:
    """Measures what is missing of one network."""
    todo = [job for job in jobs(name, given) if job._asdict() not in record]
    if not todo:
        return
    bench, missing = Bench(name, data.folder_of(given.data), given.images), set[str]()
    bar = progress.add_task(name, total=len(todo))
    for job in todo:
        progress.update(bar, description=f"{name} {job.method} −{job.removed} %")
        if job.method not in missing:
            try:
                found = bench.original() if job.removed == 0 else bench.measure(job)
            except Unavailable as error:
                missing.add(job.method)
                progress.console.print(f"{job.method} is not measured: {error}", soft_wrap=True)
            else:
                record.add({**job._asdict(), **found, "versions": versions()})
                text = f"{name} {job.method} −{job.removed} % ({job.seed}): {found['accuracy']:.2f}"
                progress.console.print(text)
        progress.advance(bar)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data.add_option(parser)
    parser.add_argument("--networks", nargs="+", default=["resnet20", "resnet56"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--removed", nargs="+", type=int, default=[10, 20, 30, 40, 50, 60])
    parser.add_argument("--images", type=int, default=5000, help="test images")
    parser.add_argument("--draws", type=int, default=3, help="of methods that draw at random")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--tables", action="store_true", help="only write the tables anew")
    given = parser.parse_args()
    record = Record(given.out / "oneshot.jsonl", KEYS)
    if not given.tables:
        with Progress() as progress:
            for name in given.networks:
                run(name, given, record, progress)
    record.tidy()
    oneshot_table.write(record.lines, given.out)


if __name__ == "__main__":
    main()
