"""Reductions."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)
CHAIN = "g1[6] a.weight.0 a.bias.0 b.weight.1"
OVER_PIXELS: dict[str, Forward] = {
    "mean": lambda y: y.mean((2, 3), keepdim=True),
    "sum": lambda y: y.sum(-1, keepdim=True),
    "amax": lambda y: y.amax((-1, -2), keepdim=True),
    "max": lambda y: y.max(3, keepdim=True)[0],
    "var": lambda y: y.var(2, keepdim=True),
    "std": lambda y: y.std((2, 3), correction=0, keepdim=True),
    "moments": lambda y: sum(torch.var_mean(y, (2, 3), keepdim=True)),
    "median": lambda y: y.median(2, keepdim=True)[0],
    "logsumexp": lambda y: y.logsumexp((2, 3), keepdim=True),
    "argmax": lambda y: y.argmax(2, keepdim=True).float(),
    "any": lambda y: (y > 0).any(3, keepdim=True).float(),
    "norm": lambda y: y.norm(dim=(2, 3), keepdim=True),
    "prod": lambda y: y.prod(2, keepdim=True),
    "vector norm": lambda y: torch.linalg.vector_norm(y, 3, (2, 3), keepdim=True),
}


@pytest.mark.parametrize("name", OVER_PIXELS)
def test_channels_pass(name: str) -> None:
    reduce = OVER_PIXELS[name]
    groups = proven(lambda s, x: s.b(reduce(s.a(x))), IMAGE, a=C(3, 6, 1), b=C(6, 2, 1))
    assert groups == CHAIN


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [
        (lambda y: y.sum(1), "g1[6] a.weight.0 a.bias.0"),
        (lambda y: y.norm(p=1, dim=1), "g1[6] a.weight.0 a.bias.0"),
        (lambda y: F.normalize(y, dim=1).sum(), "g1[6] a.weight.0 a.bias.0"),
        (lambda y: y.mean(-1), "g1[6] a.weight.0 a.bias.0 ~ mean over channels 'mean'"),
        (lambda y: y.mean(), "g1[6] a.weight.0 a.bias.0 ~ mean over channels 'mean'"),
        (lambda y: y.amax(1), ""),
        (lambda y: y.argmax(1), ""),
        (lambda y: y.std(1), ""),
        (lambda y: y.norm(p=3, dim=1), ""),
    ],
)
def test_over_channels(reduce: Any, expected: str) -> None:
    assert proven(lambda s, x: reduce(s.a(x)), V, a=L(4, 6)) == expected


def test_axes_and_extents() -> None:
    assert body(lowered(lambda s, x: (x.sum(), x.sum((0, -1)), x.max(), x.max(1)), V)) == lines("""
        sum_1: [] = reduce.sum(inputs_0) {axes=[0,1], keepdims=false}
        sum_2: [] = reduce.sum(inputs_0) {axes=[0,1], keepdims=false}
        max_1: [] = reduce.max(inputs_0) {axes=[0,1], keepdims=false}
        getitem: [2] = reduce.max(inputs_0) {axes=[1], keepdims=false}
        getitem_1: int64[2] = reduce.arg(inputs_0) {axes=[1], keepdims=false}
    """)


def test_the_larger_of_two_is_elementwise() -> None:
    assert "pointwise.max(" in body(lowered(lambda s, x: torch.max(x, x * 2), V))


def test_similarity() -> None:
    groups = proven(lambda s, x: F.cosine_similarity(s.a(x), s.b(x)), V, a=L(4, 6), b=L(4, 6))
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.0 b.bias.0"


def test_matrix_norms_freeze() -> None:
    traced = lowered(lambda s, x: torch.linalg.norm(x, 2), V)
    assert "linalg_norm" in opaque(traced) or "linalg_matrix_norm" in opaque(traced)
