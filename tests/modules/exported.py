"""Small modules whose exports have folded, transposed and fused parameters; needs torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def _norm(width: int) -> nn.BatchNorm2d:
    """A batch normalisation that is not the identity."""
    norm = nn.BatchNorm2d(width)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert tensor is not None
        nn.init.uniform_(tensor, 0.5, 1.5)
    return norm


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions with normalisations, and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.bn1 = _norm(2 * width)
        self.conv2 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.bn2 = _norm(width)

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Residual(nn.Module):  # type: ignore[misc]
    """A stem, two blocks, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), _norm(8), nn.ReLU())
        self.layers = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(self.layers(self.stem(x)).mean((2, 3)))


class Transformer(nn.Module):  # type: ignore[misc]
    """Attention with linear layers of its own, and a multi-layer perceptron, on sequences."""

    def __init__(self, width: int = 12, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, 7))
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)

    def forward(self, x: Any) -> Any:
        y = self.norm(x)
        q, k, v = (
            layer(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.mlp(x + self.project(y))


class Functional(nn.Module):  # type: ignore[misc]
    """Parameters that no layer holds, one of them square and not to be transposed."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.in_weight = nn.Parameter(torch.randn(16, width))
        self.in_bias = nn.Parameter(torch.randn(16))
        self.square = nn.Parameter(torch.randn(16, 16))
        self.out = nn.Linear(16, 4)

    def forward(self, x: Any) -> Any:
        y = torch.relu(F.linear(x, self.in_weight, self.in_bias))
        return self.out(torch.relu(y @ self.square))


class Recurrent(nn.Module):  # type: ignore[misc]
    """A recurrent layer, of which ONNX orders the gates in another way."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, 10, batch_first=True)
        self.out = nn.Linear(10, 4)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(x)[0])
