"""Training by the papers' set-ups: resumable, the same by seed, on a CPU or a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import nn

from benchmarks.images.data import Images

MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """How a network is trained with stochastic gradient descent.

    Source: the set-ups of Liebenwein et al., "Provable Filter Pruning for Efficient Neural
    Networks", ICLR 2020, appendix on experiments, as :data:`RECIPES`.

    Attributes:
        rate: Learning rate after the warm-up.
        decay: Weight decay.
        batch: Images a step.
        epochs: How many.
        drops: Epochs at which the rate is multiplied.
        factor: By what.
        warmup: Epochs over which the rate grows linearly from nothing.
        nesterov: Whether the momentum is Nesterov's.
    """

    rate: float
    decay: float
    batch: int
    epochs: int
    drops: tuple[int, ...]
    factor: float = 0.1
    warmup: float = 0
    nesterov: bool = False

    def rate_at(self, epoch: float) -> float:
        """The learning rate.

        Args:
            epoch: Epochs done, with fractions.
        """
        rate = self.rate * self.factor ** sum(epoch >= drop for drop in self.drops)
        return rate * min(1.0, epoch / self.warmup) if self.warmup else rate

    def shortened(self, epochs: int) -> Recipe:
        """The same course in fewer epochs: drops and warm-up at the same parts of it.

        Args:
            epochs: How many.
        """
        part = epochs / self.epochs
        drops = tuple(max(1, round(drop * part)) for drop in self.drops)
        return replace(self, epochs=epochs, drops=drops, warmup=self.warmup * part)

    def gentle(self, epochs: int) -> Recipe:
        """For a few epochs from trained weights: a tenth of the rate, one drop at two thirds.

        Args:
            epochs: How many.
        """
        drop = -(-2 * epochs // 3)
        return replace(
            self, rate=self.rate / 10, epochs=epochs, drops=(drop,), factor=0.1, warmup=0
        )


_RESNET = Recipe(0.1, 1e-4, 128, 182, (91, 136), warmup=5)
# The papers' set-up does not say when the rate drops for these two: at three quarters here.
_LENET = Recipe(0.01, 1e-4, 64, 40, (30,))
RECIPES: dict[str, Recipe] = {
    "resnet": _RESNET,
    "vgg16": Recipe(0.05, 5e-4, 256, 300, tuple(range(30, 300, 30)), 0.5, warmup=10),
    "densenet22": Recipe(0.1, 1e-4, 64, 300, (150, 225), nesterov=True),
    "wrn16": Recipe(0.1, 5e-4, 128, 200, (60, 120, 160), 0.2, nesterov=True),
    "lenet": _LENET,
}
"""By how the names of networks begin."""


def recipe_of(name: str) -> Recipe:
    """The set-up of a network of :data:`benchmarks.images.networks.NETWORKS`."""
    return next(recipe for start, recipe in RECIPES.items() if name.startswith(start))


@dataclass(frozen=True)
class Trainer:
    """Trains networks on the same images in the same way.

    Attributes:
        images: Training images.
        recipe: How.
        seed: Of the order and the crops; with the number of the epoch it decides both.
        device: Such as ``cpu`` or ``cuda``; on the latter in mixed precision.
        progress: Shows the epochs where it is given.
    """

    images: Images
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"
    progress: Progress | None = None

    def train(
        self,
        network: nn.Module,
        checkpoint: Path | None = None,
        after_epoch: Callable[[], object] | None = None,
        prepare: Callable[[torch.optim.Optimizer], object] | None = None,
    ) -> None:
        """Trains a network to the end of the recipe, from where a checkpoint was left.

        Args:
            network: Changed in place; left on the device in evaluation mode.
            checkpoint: Written after every epoch; read first where it exists.
            after_epoch: Called when an epoch is over, before the checkpoint is written.
            prepare: Called with the optimizer before the first step.
        """
        network.to(self.device, memory_format=torch.channels_last).train()
        optimizer = self._optimizer(network)
        scaler = torch.amp.GradScaler(self.device, enabled=self.device != "cpu")
        state = {"network": network, "optimizer": optimizer, "scaler": scaler}
        first = self._read(checkpoint, state)
        epochs: Iterable[int] = range(first, self.recipe.epochs)
        if self.progress is not None:
            epochs = self.progress.track(
                epochs, self.recipe.epochs, completed=first, description="epochs"
            )
        for epoch in epochs:
            self._epoch(network, optimizer, scaler, epoch)
            if after_epoch is not None:
                after_epoch()
            if checkpoint is not None:
                parts = {name: part.state_dict() for name, part in state.items()}
                _write(checkpoint, {**parts, "epochs": epoch + 1})
        network.eval()

    def _optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        recipe = self.recipe
        return torch.optim.SGD(
            network.parameters(),
            recipe.rate,
            MOMENTUM,
            weight_decay=recipe.decay,
            nesterov=recipe.nesterov,
        )

    def _read(self, checkpoint: Path | None, state: Mapping[str, Any]) -> int:
        """Takes up what a checkpoint holds, if there is one; how many epochs are done."""
        if checkpoint is None or not checkpoint.exists():
            return 0
        saved = torch.load(checkpoint, map_location=self.device, weights_only=True)
        for name, part in state.items():
            part.load_state_dict(saved[name])
        return int(saved["epochs"])

    def _epoch(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        epoch: int,
    ) -> None:
        """One pass over the images."""
        network.train()
        steps = max(1, len(self.images) // self.recipe.batch)
        images = self.images.to(self.device)
        batches = images.shuffled(min(self.recipe.batch, len(images)), self.seed, epoch)
        for step, (inputs, labels) in enumerate(batches):
            for part in optimizer.param_groups:
                part["lr"] = self.recipe.rate_at(epoch + (step + 1) / steps)
            inputs = inputs.to(memory_format=torch.channels_last)
            with torch.autocast(self.device, enabled=self.device != "cpu"):
                loss = nn.functional.cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()


def _write(path: Path, content: object) -> None:
    """Writes beside and renames, so that a checkpoint is whole or the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(content, beside)
    os.replace(beside, path)
