"""Trains the network of `graphprune demo` and writes it, with its data, as package data.

The network reads the 8x8 digits that scikit-learn ships, so nothing is downloaded. It is wide for
its task on purpose, and trained so that channels can be removed: decoupled weight decay, an L1
penalty on the scales of the batch norms (Liu et al., "Learning Efficient Convolutional Networks
through Network Slimming", ICCV 2017, section 3), and dropout of whole channels.

Run it with `python examples/digits/train.py`; it needs torch, onnxscript and scikit-learn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

try:
    import torch
    from onnxscript import optimizer
    from torch import nn
    from torch.nn import functional as F
except ModuleNotFoundError as error:
    raise SystemExit(
        f"training the demo network needs {error.name}: "
        "pip install 'graphprune[torch]' onnxscript scikit-learn"
    ) from error

OUT = Path(__file__).resolve().parents[2] / "graphprune" / "demo_data"
TEST_IMAGES = 500
CALIBRATION_IMAGES = 256


class ConvNorm(nn.Sequential):
    """A convolution without bias, a batch norm, and a ReLU unless it is left out."""

    def __init__(
        self, width_in: int, width: int, kernel: int = 3, *, groups: int = 1, relu: bool = True
    ) -> None:
        """Builds the layers for `width_in` channels in and `width` out."""
        conv = nn.Conv2d(width_in, width, kernel, padding=kernel // 2, groups=groups, bias=False)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(width)]
        super().__init__(*layers, *([nn.ReLU()] if relu else []))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is projected where the width changes."""

    def __init__(self, width_in: int, width: int, dropout: float) -> None:
        """Builds the block; `dropout` is the share of inner channels dropped in training."""
        super().__init__()
        self.inner = ConvNorm(width_in, width)
        self.dropout = nn.Dropout2d(dropout)
        self.outer = ConvNorm(width, width, relu=False)
        self.shortcut = (
            nn.Identity() if width_in == width else ConvNorm(width_in, width, 1, relu=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, width_in, H, W) to (N, width, H, W)."""
        return F.relu(self.outer(self.dropout(self.inner(x))) + self.shortcut(x))


class Inverted(nn.Module):
    """Expansion, depthwise convolution and linear projection beside an identity shortcut."""

    def __init__(self, width: int, expansion: int, dropout: float) -> None:
        """Builds the block with `width * expansion` inner channels."""
        super().__init__()
        inner = width * expansion
        self.expand = ConvNorm(width, inner, 1)
        self.depthwise = ConvNorm(inner, inner, groups=inner)
        self.dropout = nn.Dropout2d(dropout)
        self.project = ConvNorm(inner, width, 1, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (N, width, H, W) to the same shape."""
        return x + self.project(self.dropout(self.depthwise(self.expand(x))))


class DigitNet(nn.Module):
    """317,162 parameters and 13.1 million multiply-accumulates an image."""

    def __init__(self, dropout: float = 0.1) -> None:
        """Builds the network; `dropout` applies to the inner channels of every block."""
        super().__init__()
        self.stem = ConvNorm(1, 32)
        self.stage1 = nn.Sequential(Residual(32, 32, dropout), Residual(32, 32, dropout))
        self.stage2 = nn.Sequential(Residual(32, 64, dropout), Residual(64, 64, dropout))
        self.pool = nn.MaxPool2d(2)
        self.widen = ConvNorm(64, 128, 1)
        self.stage3 = nn.Sequential(Inverted(128, 2, dropout), Inverted(128, 2, dropout))
        self.head = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 1, 8, 8) to logits (N, 10)."""
        x = self.stage2(self.stage1(self.stem(x)))
        x = self.stage3(self.widen(self.pool(x)))
        return self.head(x.mean(dim=(2, 3)))


def load_split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns train images (1297, 1, 8, 8), test images (500, 1, 8, 8) and their labels.

    Pixels are scaled from 0..16 to 0..1; the split is stratified and always the same.
    """
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=TEST_IMAGES, stratify=digits.target, random_state=0
    )
    return train, test, train_labels, test_labels


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Moves every image (N, 1, 8, 8) by up to one pixel along each axis, filling with zeros."""
    padded = F.pad(images, (1, 1, 1, 1))
    rows = torch.randint(0, 3, (len(images), 1)) + torch.arange(8)
    columns = torch.randint(0, 3, (len(images), 1)) + torch.arange(8)
    index = torch.arange(len(images))[:, None, None]
    return padded[index, 0, rows[:, :, None], columns[:, None, :]][:, None]


def train(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, sparsity: float
) -> None:
    """Trains in place with AdamW and a one-cycle schedule.

    Args:
        model: The network.
        images: (N, 1, 8, 8).
        labels: (N,), integers.
        epochs: Passes over the data.
        sparsity: Weight of the L1 penalty on the scales of the batch norms.
    """
    scales = [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    adam = torch.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.05)
    steps = -(-len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 6e-3, epochs * steps)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(images)).split(64):
            logits = model(shifted(images[index]))
            loss = F.cross_entropy(logits, labels[index], label_smoothing=0.05)
            penalty = sum(scale.abs().sum() for scale in scales)
            adam.zero_grad()
            (loss + sparsity * penalty).backward()
            adam.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1:3d}/{epochs}  loss {total / len(images):.4f}", flush=True)
    model.eval()


def export(model: nn.Module, path: Path) -> None:
    """Writes the network as ONNX: batch size free, batch norms kept as nodes of their own."""
    program = torch.onnx.export(
        model,
        (torch.zeros(2, 1, 8, 8),),
        dynamo=True,
        # The exporter's own optimiser would also fold the batch norms into the convolutions.
        optimize=False,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"x": {0: torch.export.Dim("batch")}},
    )
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    proto = program.model_proto
    # What the exporter notes about its own work is larger than the graph, and names local paths.
    del proto.graph.metadata_props[:]
    for item in (
        *proto.graph.node,
        *proto.graph.value_info,
        *proto.graph.initializer,
        *proto.graph.input,
        *proto.graph.output,
    ):
        del item.metadata_props[:]
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def main() -> None:
    """Trains, reports the accuracy on the test images, and writes model and data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=160)
    parser.add_argument("--sparsity", type=float, default=1e-2, help="L1 on batch norm scales")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    images, test, labels, test_labels = load_split()
    model = DigitNet()
    train(
        model, torch.from_numpy(images), torch.from_numpy(labels), options.epochs, options.sparsity
    )
    with torch.inference_mode():
        correct = int((model(torch.from_numpy(test)).argmax(1).numpy() == test_labels).sum())
    print(f"test accuracy {correct}/{len(test)} = {correct / len(test):.2%}")
    print(f"parameters {sum(p.numel() for p in model.parameters()):,}")

    options.out.mkdir(parents=True, exist_ok=True)
    export(model, options.out / "digits.onnx")
    np.savez_compressed(options.out / "calibration.npz", images=images[:CALIBRATION_IMAGES])
    np.savez_compressed(options.out / "test.npz", images=test, labels=test_labels)


if __name__ == "__main__":
    main()
