"""Train a network on scikit-learn's digits, halve its cost, fine-tune it, save, load, export."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import graphprune

EPOCHS, TUNING_EPOCHS = 30, 15
BATCH, RATE = 64, 0.1


class Digits:
    """1,198 images to train on and 599 to test on, 8×8 grey values from 0 to 1."""

    def __init__(self) -> None:
        """Splits the images; the split is always the same one."""
        data = load_digits()
        parts = train_test_split(
            torch.tensor(data.images, dtype=torch.float32)[:, None] / 16,
            torch.tensor(data.target),
            test_size=1 / 3,
            stratify=data.target,
            random_state=0,
        )
        self.images, self.test_images, self.labels, self.test_labels = parts

    def train(self, model: Any, optimizer: Any, epochs: int) -> None:
        """Train a model; the learning rate falls from RATE to 0 in a straight line."""
        model.train()
        batches = [
            batch for _ in range(epochs) for batch in torch.randperm(len(self.labels)).split(BATCH)
        ]
        for i, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - i / len(batches))
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(self.images[batch]), self.labels[batch])
            loss.backward()
            optimizer.step()

    def accuracy(self, model: Any) -> float:
        """The share of test images that a model gets right."""
        model.eval()
        with torch.no_grad():
            right = model(self.test_images).argmax(1) == self.test_labels
        return float(right.double().mean())


def network() -> Any:
    """Three convolutions with norms, about 32,000 parameters."""

    def block(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
        conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(1, 24),
        *block(24, 48, stride=2),
        *block(48, 48),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 10),
    )


def trained(digits: Digits, seed: int) -> tuple[Any, Any]:
    """The network after training, and its optimizer."""
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, weight_decay=5e-4)
    digits.train(model, optimizer, EPOCHS)
    return model, optimizer


def main(seed: int) -> None:
    """Everything once."""
    digits = Digits()
    model, optimizer = trained(digits, seed)
    example = digits.images[:1]
    print(f"trained      {digits.accuracy(model):.2%}")

    result = graphprune.prune(model, example, macs=0.5, optimizer=optimizer)
    before, after = result.cost
    print(f"pruned       {digits.accuracy(result.model):.2%}")
    digits.train(result.model, result.optimizer, TUNING_EPOCHS)
    print(f"fine-tuned   {digits.accuracy(result.model):.2%}")
    print(f"MACs         {before.macs:,} -> {after.macs:,} ({after.macs / before.macs:.1%})")
    print(f"parameters   {before.params:,} -> {after.params:,}")

    with tempfile.TemporaryDirectory() as folder:
        graphprune.save(result, Path(folder) / "digits.gp")
        loaded = graphprune.load(Path(folder) / "digits.gp", network(), example)
        print(f"loaded       {digits.accuracy(loaded):.2%}")
        exported = graphprune.export(loaded.eval(), example, Path(folder) / "digits.onnx")
        size = exported.path.stat().st_size
        print(f"digits.onnx  {size:,} bytes, largest relative error {exported.error:.1e}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
