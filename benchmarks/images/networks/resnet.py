"""Residual networks for CIFAR.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Shrink(nn.Module):
    """Shortcut without weights (option A): every other pixel, zeros for the new channels.

    Args:
        added: New channels, half of them before and half of them behind the old ones.
    """

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Halves the sides and adds the channels."""
        half = self.added // 2
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.added - half))


class Block(nn.Module):
    """Two convolutions beside a shortcut.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        projection: Whether a change of widths is a convolution (option B).
    """

    def __init__(self, inputs: int, outputs: int, projection: bool) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 and projection:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
        elif stride == 2:
            self.shortcut = Shrink(outputs - inputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ResNet(nn.Module):
    """A network of ``6 n + 2`` layers; the names of its weights are those of released ones.

    Args:
        n: Blocks of each of the three stages.
        projection: Shortcuts with weights (option B) where widths change; else zeros (option A).
        classes: Width of the output.
    """

    def __init__(self, n: int, *, projection: bool = False, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        for i in range(1, 4):
            before, after = widths[i - 1], widths[i]
            blocks = [Block(before if k == 0 else after, after, projection) for k in range(n)]
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, 3, H, W)`` to logits ``(N, classes)``."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))
