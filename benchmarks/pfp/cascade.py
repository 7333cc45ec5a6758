"""Pruning and retraining in turns: accuracy against parameters and computation removed.

    python -m benchmarks.pfp.cascade --data DIR --network resnet20 --methods pfp l1 thinet fpgm

Each step scores the network as the last retraining left it, prunes to the next budget and retrains
(the cascade of Liebenwein et al., ICLR 2020); `softnet` zeroes filters while it trains instead,
from the original network for every budget. Networks without pretrained weights are trained first.
A run that was stopped goes on at the epoch where it was.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import nn

import graphprune
from benchmarks.images import data, networks
from benchmarks.images.evaluate import accuracy, macs, parameters
from benchmarks.images.record import Line, Record, versions
from benchmarks.images.training import Trainer, recipe_of
from benchmarks.pfp import cascade_table
from benchmarks.pfp.methods import METHODS, Unavailable, available, calibration, options

RESULTS = Path(__file__).parent / "results"
KEYS = ("network", "setup", "method", "repeat", "removed")
SOFT = "softnet"


@dataclass(frozen=True, eq=False)
class Course:
    """One network, its images, and how it is retrained.

    Attributes:
        network: The original, trained.
        name: Its name.
        setup: How it is retrained, in words that tell results apart.
        example: What it is called with.
        trainer: Retrains; the seed is replaced in every repetition.
        test: Test images.
        calibration: What criteria look at.
        budget: ``params`` or ``macs``.
        removed: Per cent that the steps remove of it, ascending.
        work: Folder for checkpoints.
    """

    network: nn.Module
    name: str
    setup: str
    example: torch.Tensor
    trainer: Trainer
    test: data.Images
    calibration: Any
    budget: str
    removed: tuple[int, ...]
    work: Path

    @property
    def shares(self) -> dict[str, Any]:
        """The budgets of the steps as graphprune takes them."""
        return {self.budget: [1 - removed / 100 for removed in self.removed]}

    def trainer_of(self, repeat: int, step: int) -> Trainer:
        """Retrains after one step of one repetition, with draws of its own."""
        return replace(self.trainer, seed=1 + 1000 * repeat + step)

    def steps(self, method: str, repeat: int) -> Iterator[Line]:
        """Prunes and retrains step by step; measures the network after each.

        Raises:
            Unavailable: This graphprune does not have the method.
        """
        folder = self.work / self.name / self.setup / f"{method}-{repeat}"
        with available():
            schedule = graphprune.Schedule(
                self.network,
                self.example,
                data=self.calibration,
                **self.shares,
                **options(method, repeat),
            )
        saved = folder / "schedule.gp"
        if saved.exists():
            schedule.resume(saved)
            yield self._retrained(schedule.model, folder, repeat, schedule.done - 1, None)
        steps = iter(schedule)
        while schedule.done < len(schedule):
            begun = time.perf_counter()
            step = next(steps)
            folder.mkdir(parents=True, exist_ok=True)
            schedule.save(saved)
            seconds = time.perf_counter() - begun
            yield self._retrained(step.model, folder, repeat, step.index, seconds)

    def _retrained(
        self, network: nn.Module, folder: Path, repeat: int, index: int, seconds: float | None
    ) -> Line:
        """Trains what a step left and measures it."""
        checkpoint = folder / f"step{index}.pt"
        before = None if checkpoint.exists() else accuracy(network, self.test)
        begun = time.perf_counter()
        self.trainer_of(repeat, index).train(network, checkpoint)
        trained = time.perf_counter() - begun
        line = {"removed": self.removed[index], "pruned_accuracy": before, **self.measured(network)}
        return {**line, "prune_seconds": seconds, "train_seconds": round(trained, 1)}

    def soft(self, repeat: int) -> Iterator[Line]:
        """Trains with filters zeroed after every epoch, and removes them in the end."""
        for index, removed in enumerate(self.removed):
            network = copy.deepcopy(self.network).to(self.trainer.device)
            folder = self.work / self.name / self.setup / f"{SOFT}-{repeat}"
            begun = time.perf_counter()
            share: dict[str, Any] = {self.budget: 1 - removed / 100}
            soft = graphprune.SoftPruning(
                network, self.example.to(self.trainer.device), criterion="l2", **share
            )
            trainer = self.trainer_of(repeat, index)
            trainer.train(network, folder / f"budget{index}.pt", soft.step)
            result = soft.finish()
            seconds = round(time.perf_counter() - begun, 1)
            yield {"removed": removed, **self.measured(result.model), "train_seconds": seconds}

    def measured(self, network: nn.Module) -> Line:
        """Accuracy and size of a network."""
        shape = tuple(self.example.shape[1:])
        full = (parameters(self.network), macs(self.network, shape))
        return {
            "accuracy": accuracy(network, self.test),
            "params": round(parameters(network) / full[0], 5),
            "macs": round(macs(network, shape) / full[1], 5),
        }


def prepare(given: argparse.Namespace, progress: Progress) -> Course:
    """Reads images and the original network, which is trained where no weights exist."""
    name, folder = given.network, data.folder_of(given.data)
    entry, recipe = networks.NETWORKS[name], recipe_of(name)
    train = data.load(entry.data, "train", folder, count=given.train_images, shrink=given.shrink)
    test = data.load(entry.data, "test", folder, count=given.test_images, shrink=given.shrink)
    example = torch.zeros(1, *train.shape)
    network = networks.pretrained(name, folder) if given.shrink == 1 else None
    if network is None:
        progress.console.print(f"{name} has no weights for these images: trained from scratch")
        epochs = given.base_epochs or recipe.epochs
        if epochs != recipe.epochs:
            recipe = recipe.shortened(epochs)
        network = networks.build(name)
        base = given.work / name / f"base-{epochs}-{len(train)}-{given.shrink}.pt"
        Trainer(train, recipe, 0, given.device, progress).train(network, base)
        recipe = recipe_of(name)
    if given.schedule == "short":
        recipe = recipe.gentle(given.epochs)
    side = f", {given.shrink}× shrunk" if given.shrink > 1 else ""
    epochs = f"{given.schedule} schedule of {recipe.epochs} epochs on {len(train)} images{side}"
    setup = f"{epochs}, {given.budget} {'-'.join(map(str, given.removed))}, {len(test)} tests"
    return Course(
        network.cpu(),
        name,
        setup,
        example,
        Trainer(train, recipe, 0, given.device, progress),
        test,
        calibration(network, example, train),
        given.budget,
        tuple(given.removed),
        given.work,
    )


def run(course: Course, given: argparse.Namespace, record: Record, progress: Progress) -> None:
    """Measures what is missing."""
    head = {"network": course.name, "setup": course.setup}
    whole = {**head, "method": "original", "repeat": 0, "removed": 0}
    if whole not in record:
        found = course.measured(course.network)
        record.add({**whole, **found, "versions": versions()})
    for repeat in range(given.repeats):
        for method in given.methods:
            keys = {**head, "method": method, "repeat": repeat}
            if all({**keys, "removed": removed} in record for removed in course.removed):
                continue
            lines = course.soft(repeat) if method == SOFT else course.steps(method, repeat)
            try:
                for line in lines:
                    record.add({**keys, **line, "versions": versions()})
                    text = f"{method} −{line['removed']} % ({repeat}): {line['accuracy']:.2f}"
                    progress.console.print(text)
            except Unavailable as error:
                progress.console.print(f"{method} is not measured: {error}", soft_wrap=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data.add_option(parser)
    whole = list(networks.NETWORKS)
    parser.add_argument("--network", default="resnet20", choices=whole)
    parser.add_argument("--methods", nargs="+", default=["pfp", "l1", "thinet", "fpgm", SOFT],
                        choices=[*METHODS, SOFT])  # fmt: skip
    parser.add_argument("--budget", default="params", choices=["params", "macs"])
    parser.add_argument("--removed", nargs="+", type=int, default=[20, 40, 60, 80, 90])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--schedule", default="short", choices=["paper", "short"])
    parser.add_argument("--epochs", type=int, default=2, help="of the short schedule")
    parser.add_argument("--base-epochs", type=int, help="of training from scratch")
    parser.add_argument("--train-images", type=int, help="all where left out")
    parser.add_argument("--test-images", type=int, default=5000)
    parser.add_argument("--shrink", type=int, default=1, help="average over squares of pixels")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--work", type=Path, default=Path("build/pfp"), help="for checkpoints")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--tables", action="store_true", help="only write the tables anew")
    given = parser.parse_args()
    record = Record(given.out / "cascade.jsonl", KEYS)
    if not given.tables:
        with Progress() as progress:
            run(prepare(given, progress), given, record, progress)
    record.tidy()
    cascade_table.write(record.lines, given.out)


if __name__ == "__main__":
    main()
