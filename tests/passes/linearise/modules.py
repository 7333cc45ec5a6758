"""A module that is linear in its input and uses everything that has a rule."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Everything(nn.Module):  # type: ignore[misc]
    """Layers of every kind, moves of every kind, no nonlinearity."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, stride=1, padding=1, bias=False)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.depthwise = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=8, bias=False)
        self.lift = nn.ConvTranspose2d(16, 8, 3, 2, 1, 1, groups=2, bias=False)
        self.even = nn.ConvTranspose2d(8, 8, 2, 2, bias=False)
        self.mix = nn.Conv2d(24, 8, (1, 3), padding=(0, 1), bias=False)
        self.line = nn.Conv1d(8, 6, 3, padding=1, bias=False)
        self.leave = nn.Linear(6, 5, bias=False)
        self.square = nn.Parameter(torch.rand(5, 4))

    def forward(self, x: Any) -> Any:
        p = self.enter(x)
        p = p + self.dilated(p)
        q = self.lift(self.depthwise(p))
        q = functional.avg_pool2d(self.even(q), 2)
        left, right = torch.chunk(functional.pad(p, (1, 0, 2, 1)), 2, 1)
        back = torch.cat((right.flip(1), left), 1)[:, :, 1:-2, 1:]
        up = functional.interpolate(functional.avg_pool2d(p, 2), scale_factor=2, mode="nearest")
        blocks = functional.pixel_unshuffle(functional.pixel_shuffle(up, 2), 2)
        r = self.mix(torch.cat((q, back, blocks), 1)) - functional.pad(
            p[:, :, 1:-1, 1:-1], (1, 1, 1, 1), mode="reflect"
        ) * (-1)
        lines = self.line(r.flatten(2)).transpose(1, 2).unflatten(1, (8, 8)).mean(2)
        return torch.matmul(self.leave(lines.roll(1, 1)), self.square)
