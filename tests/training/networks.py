"""Small networks, and a few steps of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.frontends.torch.modules import tensor

IMAGES = tensor(4, 1, 8, 8)


class Flattened(nn.Module):  # type: ignore[misc]
    """Spells a width out in its code, so that its own class cannot become narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 12, 3, padding=1)
        self.c = nn.Linear(12 * 64, 10)

    def forward(self, x: Any) -> Any:
        """Images to classes."""
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))).view(-1, 12 * 64))


class Grouped(nn.Module):  # type: ignore[misc]
    """Four convolution groups of four channels: which of the two are removed is a choice."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 16, 3, padding=1)
        self.b = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.c = nn.Conv2d(16, 10, 1)

    def forward(self, x: Any) -> Any:
        """Images to classes."""
        return self.c(torch.relu(self.b(torch.relu(self.a(x))))).mean((2, 3))


def convs(seed: int = 0) -> Any:
    """Two convolutions, a norm between them, and a classifier."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.Flatten(2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def momentum(module: Any, rate: float = 0.05) -> Any:
    """Stochastic gradient descent over a module's parameters."""
    return torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)


def train(module: Any, optimizer: Any, steps: int = 2) -> list[float]:
    """The losses of a few steps on one batch of random classes; the module's mode stays."""
    images, classes = tensor(16, 1, 8, 8, seed=1), torch.arange(16) % 10
    losses, mode = [], module.training
    module.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(images), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    module.train(mode)
    return losses


def outputs(module: Any, images: Any = IMAGES) -> Any:
    """What a module computes in evaluation mode."""
    mode = module.training
    module.eval()
    with torch.no_grad():
        found = module(images)
    module.train(mode)
    return found


def shapes(module: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters and buffers."""
    return {name: tuple(t.shape) for name, t in module.state_dict().items()}
