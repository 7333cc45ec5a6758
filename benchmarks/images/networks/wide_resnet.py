"""Wide residual networks for CIFAR.

Source: Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, table 1.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions, each behind a norm and a ReLU, beside a shortcut.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        active = functional.relu(self.bn1(x))
        inner = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return inner + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """Three stages of wide blocks; WRN-16-8 by default.

    Args:
        depth: Layers with weights; ``6 n + 4``.
        factor: How many times wider than a ResNet's the stages are.
        classes: Width of the output.
    """

    def __init__(self, depth: int = 16, factor: int = 8, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False)]
        before = 16
        for stage in range(3):
            width = 16 * factor * 2**stage
            for block in range((depth - 4) // 6):
                layers.append(Block(before, width, 2 if stage and not block else 1))
                before = width
        layers += [nn.BatchNorm2d(before), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        return self.classifier(self.features(x).mean((2, 3)))
