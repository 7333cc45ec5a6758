"""What the ONNX exporter could not follow, spelled otherwise: the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

import graphprune  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402


def exported(function: Any, example: Any, folder: Path, **parts: Any) -> float:
    torch.manual_seed(0)
    done = graphprune.export(Net(function, **parts).eval(), example, folder / "net.onnx")
    assert done.error is not None
    return done.error


def test_attention_over_several_leading_axes(tmp_path: Path) -> None:
    """Windows of windows: the exporter takes four axes only."""

    def forward(net: Any, x: Any) -> Any:
        q, k, v = net.qkv(x).unflatten(-1, (3, 2, 4)).permute(3, 0, 1, 4, 2, 5)
        return F.scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(3)

    error = exported(forward, tensor(2, 3, 5, 8), tmp_path, qkv=torch.nn.Linear(8, 24))
    assert error < 1e-5


def test_attention_whose_heads_are_part_of_the_batch(tmp_path: Path) -> None:
    def forward(net: Any, x: Any) -> Any:
        q, k, v = net.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4).flatten(1, 2)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=net.mask)
        return found.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2)

    mask = torch.nn.Parameter(tensor(5, 5))
    qkv = torch.nn.Linear(8, 24)
    assert exported(forward, tensor(2, 5, 8), tmp_path, qkv=qkv, mask=mask) < 1e-5


def test_a_view_of_attention_with_a_mask(tmp_path: Path) -> None:
    """The exporter decomposes it, and what comes out lies in another order."""

    def forward(net: Any, x: Any) -> Any:
        n, length, width = x.shape
        q, k, v = net.qkv(x).view(n, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=net.mask)
        return found.transpose(1, 2).reshape(n, length, width)

    mask = torch.nn.Parameter(tensor(1, 2, 5, 5))
    qkv = torch.nn.Linear(8, 24)
    assert exported(forward, tensor(2, 5, 8), tmp_path, qkv=qkv, mask=mask) < 1e-5
