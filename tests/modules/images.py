"""Networks from images to images, and a classifier with shuffled channels."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.GroupNorm(2, outputs),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):  # type: ignore[misc]
    """Down, up by transposed convolutions, and joined with what was on the way down."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 24)) -> None:
        super().__init__()
        self.down = nn.ModuleList(_double(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.lift = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_double(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, x: Any) -> Any:
        passed = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            passed.append(x)
        for i in reversed(range(len(self.lift))):
            x = self.up[i](torch.cat((passed[i], self.lift[i](x)), 1))
        return self.head(x)


class Upscaler(nn.Module):  # type: ignore[misc]
    """Super-resolution: scaled residual blocks, then pixels out of channels, twice."""

    def __init__(self, width: int = 16, blocks: int = 2) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.PReLU(width),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.spread = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.pixels = nn.PixelShuffle(2)
        self.leave = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, x: Any) -> Any:
        y = self.enter(x)
        z = y
        for block in self.body:
            z = z + 0.1 * block(z)
        z = self.pixels(self.spread(z + y))
        return self.pixels(self.leave(z)) + nn.functional.interpolate(
            x, scale_factor=4.0, mode="bilinear", align_corners=False
        )


class Shuffled(nn.Module):  # type: ignore[misc]
    """Split in halves, one of them convolved, joined and shuffled: ShuffleNet V2's block."""

    def __init__(self, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        half = width // 2
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(half, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(),
                nn.Conv2d(half, half, 3, padding=1, groups=half),
                nn.Conv2d(half, half, 1),
                nn.ReLU(),
            )
            for _ in range(blocks)
        )
        self.classifier = nn.Linear(width, 5)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            kept, moved = x.chunk(2, dim=1)
            x = torch.cat((kept, block(moved)), dim=1)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.classifier(x.mean((2, 3)))
