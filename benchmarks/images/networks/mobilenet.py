"""MobileNetV2 and EfficientNet-B0 for images of 32 x 32: strides taken out of the first stages.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
table 2; Tan and Le, "EfficientNet: Rethinking Model Scaling for CNNs", ICML 2019, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn


class Stage(NamedTuple):
    """Blocks alike.

    Attributes:
        expand: Inner channels for each channel that comes in.
        channels: Channels that go out.
        blocks: How many, the first of which strides.
        stride: Of the first block.
        kernel: Side of the depthwise filters.
    """

    expand: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


MOBILENET_V2 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 1),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
EFFICIENTNET_B0 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 1),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1),
)


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1
) -> list[nn.Module]:
    """A convolution without bias and its norm."""
    pad = kernel // 2
    filters = nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False)
    return [filters, nn.BatchNorm2d(outputs)]


class Gate(nn.Module):
    """Squeeze and excite: every channel times a number between 0 and 1.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, section 3.

    Args:
        channels: That are gated.
        squeezed: Channels in between.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.act = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(self.act(self.reduce(means))))


class Inverted(nn.Module):
    """A narrow tensor, made wide, filtered one channel at a time, and made narrow again.

    Args:
        inputs: Channels that come in.
        stage: Of the block.
        stride: Of the depthwise convolution.
        act: Class of the activation.
        gated: Whether the wide tensor is gated, by a quarter of the channels that come in.
    """

    def __init__(
        self, inputs: int, stage: Stage, stride: int, act: type[nn.Module], gated: bool
    ) -> None:
        super().__init__()
        wide = inputs * stage.expand
        layers = [*convolution(inputs, wide, 1), act()] if stage.expand > 1 else []
        layers += [*convolution(wide, wide, stage.kernel, stride, groups=wide), act()]
        layers += [Gate(wide, max(1, inputs // 4))] if gated else []
        layers += convolution(wide, stage.channels, 1)
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, inputs, H, W)`` to ``(N, channels, H / stride, W / stride)``."""
        inner = self.layers(x)
        return x + inner if self.residual else inner


class InvertedNet(nn.Module):
    """Inverted residuals between two plain convolutions, pooled and classified.

    Args:
        stages: The blocks.
        act: Class of the activations.
        gated: Whether blocks have gates.
        colours: Channels of an image.
        classes: Width of the output.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        act: type[nn.Module],
        *,
        gated: bool = False,
        colours: int = 3,
        classes: int = 10,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [*convolution(colours, 32, 3), act()]
        channels = 32
        for stage in stages:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                layers.append(Inverted(channels, stage, stride, act, gated))
                channels = stage.channels
        layers += [*convolution(channels, 1280, 1), act()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, colours, H, W)`` to logits ``(N, classes)``."""
        return self.classifier(self.features(x).mean((2, 3)))
