"""The three experiments: what is trained, and from which widths or masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, cast, get_args

import torch
from torch import nn

import graphprune
from benchmarks.images import data, networks
from benchmarks.images.evaluate import accuracy, macs, parameters
from benchmarks.images.record import Line
from benchmarks.images.training import Trainer
from benchmarks.precrop.schedules import Schedule
from graphprune.training.masks import Granularity, Masks

METHODS = (
    "precrop", "uniform", "sqrt", "erk", "synflow-density", "snip-density", "grasp-density",
)  # fmt: skip
BUDGETS = (0.5, 0.2)
DENSITIES = (0.5, 0.1)
EXPERIMENTS = ("granularity", "densities", "preconfig")
CALIBRATION = 256
"""Training images that the methods which need data are given."""


class Job(NamedTuple):
    """One network to train.

    Attributes:
        experiment: One of :data:`EXPERIMENTS`.
        network: Its name.
        method: Of choosing widths; the granularity of masks; ``original`` for all of it.
        budget: Fraction of the parameters; 1 for all.
        seed: Of weights, masks, order and crops.
        schedule: Name of the schedule.
    """

    experiment: str
    network: str
    method: str
    budget: float
    seed: int
    schedule: str


def jobs(experiments: list[str], only: list[str], seeds: int, schedule: Schedule) -> Iterator[Job]:
    """What there is to train, all of the first seed before the second.

    Args:
        experiments: Of :data:`EXPERIMENTS`.
        only: Names of networks; all for none.
        seeds: How many.
        schedule: Says the networks.
    """
    for seed in range(seeds):
        for experiment in experiments:
            for network in schedule.networks(experiment):
                if only and network not in only:
                    continue
                if experiment != "preconfig" or "densities" not in experiments:
                    yield Job(experiment, network, "original", 1, seed, schedule.name)
                for method, budget in _COMPARED[experiment]:
                    yield Job(experiment, network, method, budget, seed, schedule.name)


_COMPARED: dict[str, list[tuple[str, float]]] = {
    "granularity": [(g, p) for p in DENSITIES for g in get_args(Granularity)],
    "densities": [(method, budget) for budget in BUDGETS for method in METHODS],
    "preconfig": [("preconfig", 0.8)],
}


def initialise(module: nn.Module) -> None:
    """Draws the weights of one layer, the same way in every network."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


@dataclass(frozen=True)
class Bench:
    """A network that is made, narrowed and trained again and again.

    Attributes:
        name: Of the network.
        folder: Holds the images.
        schedule: How to train.
        device: Where.
    """

    name: str
    folder: Path
    schedule: Schedule
    device: str

    @cached_property
    def train(self) -> data.Images:
        """Images to train on."""
        return self._load("train", self.schedule.images_of(self.name))

    @cached_property
    def test(self) -> data.Images:
        """Images to test on."""
        return self._load("test", self.schedule.tested)

    def _load(self, split: str, count: int | None) -> data.Images:
        source = networks.NETWORKS[self.name].data
        return data.load(source, split, self.folder, count=count, shrink=self.schedule.shrink)

    @cached_property
    def example(self) -> torch.Tensor:
        """One input."""
        return torch.zeros(1, *self.train.shape)

    def fresh(self, seed: int) -> nn.Module:
        """The whole network with new weights."""
        network = networks.build(self.name, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return network.apply(initialise)

    def measure(self, job: Job) -> Line:
        """Makes, narrows or masks, trains and tests one network."""
        network = self.fresh(job.seed)
        full = (parameters(network), macs(network, self.train.shape))
        narrowed, held, found = _MAKERS[job.experiment](self, network, job)
        trainer = Trainer(self.train, self.schedule.recipe, job.seed, self.device)
        trainer.train(narrowed, prepare=held)
        return {
            **found,
            "accuracy": accuracy(narrowed, self.test.to(self.device)),
            "params": round(parameters(narrowed) / full[0], 5),
            "macs": round(macs(narrowed, self.train.shape) / full[1], 5),
        }


Made = tuple[nn.Module, Callable[[torch.optim.Optimizer], object] | None, Line]


def _masked(bench: Bench, network: nn.Module, job: Job) -> Made:
    """All channels, but most weights held at zero."""
    if job.method == "original":
        return network, None, {}
    found = graphprune.densities(network, bench.example, params=job.budget, rule="precrop")
    masks = Masks(network, found.values, cast(Granularity, job.method), job.seed)
    kept = sum(int(mask.sum()) for mask in masks.kept.values())
    total = sum(mask.numel() for mask in masks.kept.values())
    return network, masks.hold, {"density": round(kept / total, 5)}


def _cropped(bench: Bench, network: nn.Module, job: Job) -> Made:
    """Fewer channels, by one of the methods."""
    if job.method == "original":
        return network, None, {}
    images = bench.train.first(CALIBRATION)
    result = graphprune.precrop(
        network,
        bench.example,
        params=job.budget,
        allocation=job.method,
        init=initialise,
        seed=job.seed,
        data=list(images.batches(64)),
        loss=nn.CrossEntropyLoss(),
    )
    return result.model, None, _said(result)


def _configured(bench: Bench, network: nn.Module, job: Job) -> Made:
    """Some layers wider, some narrower."""
    if job.method == "original":
        return network, None, {}
    result = graphprune.preconfig(
        network, bench.example, params=job.budget, macs=1.0, init=initialise, seed=job.seed
    )
    return result.model, None, _said(result)


def _said(result: graphprune.ModuleResult) -> Line:
    """What is kept of a result.

    Raises:
        SystemExit: It is not proven.
    """
    if not result.proof.ok:
        raise SystemExit(f"the proof failed: {result.proof.to_dict()}")
    widths = {group.name: f"{group.kept}/{group.width}" for group in result.plan.groups}
    return {"widths": " ".join(widths.values())}


_MAKERS = {"granularity": _masked, "densities": _cropped, "preconfig": _configured}
