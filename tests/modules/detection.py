"""Detectors: one with a feature pyramid of split blocks, one with queries."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class ConvUnit(nn.Module):  # type: ignore[misc]
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Any) -> Any:
        return nn.functional.silu(self.norm(self.conv(x)))


class Bottleneck(nn.Module):  # type: ignore[misc]
    """Two convolutions, with a sum around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = ConvUnit(width, width, 3), ConvUnit(width, width, 3)

    def forward(self, x: Any) -> Any:
        return x + self.second(self.first(x))


class SplitBlock(nn.Module):  # type: ignore[misc]
    """C2f: halves, of which one passes through bottlenecks, and all stages are joined."""

    def __init__(self, inputs: int, outputs: int, depth: int = 2) -> None:
        super().__init__()
        self.half = outputs // 2
        self.enter = ConvUnit(inputs, 2 * self.half)
        self.stages = nn.ModuleList(Bottleneck(self.half) for _ in range(depth))
        self.leave = ConvUnit((2 + depth) * self.half, outputs)

    def forward(self, x: Any) -> Any:
        parts = list(self.enter(x).chunk(2, 1))
        for stage in self.stages:
            parts.append(stage(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class PoolPyramid(nn.Module):  # type: ignore[misc]
    """SPPF: three pools in a row, joined with what they pooled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = ConvUnit(width, width // 2), ConvUnit(2 * width, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Any) -> Any:
        x = self.enter(x)
        y = self.pool(x)
        z = self.pool(y)
        return self.leave(torch.cat((x, y, z, self.pool(z)), 1))


class Head(nn.Module):  # type: ignore[misc]
    """Boxes as distributions over distances, and classes, for one scale."""

    def __init__(self, width: int, classes: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.boxes = nn.Sequential(ConvUnit(width, 16, 3), nn.Conv2d(16, 4 * bins, 1))
        self.classes = nn.Sequential(ConvUnit(width, 24, 3), nn.Conv2d(24, classes, 1))
        self.register_buffer("distances", torch.arange(bins, dtype=torch.float32))

    def forward(self, x: Any) -> tuple[Any, Any]:
        n, _, h, w = x.shape
        bins = self.boxes(x).view(n, 4, self.bins, h * w).softmax(2)
        boxes = torch.einsum("nkbp,b->nkp", bins, self.distances)
        return boxes, self.classes(x).flatten(2).sigmoid()


class Pyramid(nn.Module):  # type: ignore[misc]
    """A one-stage detector with two scales, up and down again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvUnit(3, 8, 3, 2), ConvUnit(8, 16, 3, 2))
        self.low = SplitBlock(16, 16)
        self.deep = nn.Sequential(ConvUnit(16, 32, 3, 2), SplitBlock(32, 32, 1), PoolPyramid(32))
        self.up = SplitBlock(48, 16, 1)
        self.down = ConvUnit(16, 16, 3, 2)
        self.last = SplitBlock(48, 32, 1)
        self.heads = nn.ModuleList((Head(16, 5, 8), Head(32, 5, 8)))

    def forward(self, x: Any) -> dict[str, Any]:
        low = self.low(self.stem(x))
        deep = self.deep(low)
        up = nn.functional.interpolate(deep, scale_factor=2.0, mode="nearest")
        low = self.up(torch.cat((up, low), 1))
        deep = self.last(torch.cat((self.down(low), deep), 1))
        found = [head(x) for head, x in zip(self.heads, (low, deep), strict=True)]
        boxes, classes = zip(*found, strict=True)
        return {"boxes": torch.cat(boxes, 2), "classes": torch.cat(classes, 2)}


class Queries(nn.Module):  # type: ignore[misc]
    """A convolutional backbone, a transformer, and learned queries that become boxes."""

    def __init__(self, width: int = 32, queries: int = 6) -> None:
        super().__init__()
        self.backbone = nn.Sequential(ConvUnit(3, 12, 3, 2), ConvUnit(12, 24, 3, 2))
        self.project = nn.Conv2d(24, width, 1)
        self.rows = nn.Parameter(torch.rand(16, width // 2))
        self.columns = nn.Parameter(torch.rand(16, width // 2))
        self.queries = nn.Parameter(torch.rand(queries, width))
        self.transformer = nn.Transformer(
            width, 4, 1, 1, dim_feedforward=48, dropout=0.0, batch_first=True
        )
        self.classes = nn.Linear(width, 5)
        self.boxes = nn.Sequential(nn.Linear(width, 20), nn.ReLU(), nn.Linear(20, 4))

    def forward(self, x: Any) -> tuple[Any, Any]:
        x = self.project(self.backbone(x))
        n, _, h, w = x.shape
        columns = self.columns[:w].unsqueeze(0).repeat(h, 1, 1)
        rows = self.rows[:h].unsqueeze(1).repeat(1, w, 1)
        places = torch.cat((columns, rows), -1).flatten(0, 1)
        memory = x.flatten(2).transpose(1, 2) + places
        queries = self.queries.unsqueeze(0).expand(n, -1, -1)
        found = self.transformer(memory, queries)
        return self.classes(found), self.boxes(found).sigmoid()
