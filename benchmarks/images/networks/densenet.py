"""DenseNet for CIFAR, without bottlenecks and without compression.

Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, section 3.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    """A convolution whose channels are put behind those it reads.

    Args:
        inputs: Channels that come in.
        growth: Channels added.
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, inputs, H, W)`` to ``(N, inputs + growth, H, W)``."""
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


class Transition(nn.Module):
    """A 1 x 1 convolution and a pool between two blocks.

    Args:
        width: Channels, as many in as out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, width, H, W)`` to ``(N, width, H / 2, W / 2)``."""
        return functional.avg_pool2d(self.conv(functional.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Three dense blocks; 22 layers deep by default.

    Args:
        depth: Layers with weights, transitions and the classifier among them.
        growth: Channels that every layer adds.
        classes: Width of the output.
    """

    def __init__(self, depth: int = 22, growth: int = 12, classes: int = 10) -> None:
        super().__init__()
        width = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
        for block in range(3):
            if block:
                layers.append(Transition(width))
            for _ in range((depth - 4) // 3):
                layers.append(Layer(width, growth))
                width += growth
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        return self.classifier(self.features(x).mean((2, 3)))
