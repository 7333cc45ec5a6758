"""Pools: fixed windows, windows that fit, places of the maxima."""

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
    proven,
    tensor,
)

C = torch.nn.Conv2d
IMAGE = tensor(2, 6, 8, 8)


def test_windows() -> None:
    traced = lowered(lambda s, x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1, ceil_mode=True), 2), IMAGE)
    assert body(traced) == lines("""
        max_pool2d: [2,6,5,5] = pool(inputs_0) {ceil=true, dilations=[1,1], kernel=[3,3], pads=[1,1,1,1], strides=[2,2]}
        avg_pool2d: [2,6,2,2] = pool(max_pool2d) {ceil=false, dilations=[1,1], kernel=[2,2], pads=[0,0,0,0], strides=[2,2]}
    """)  # noqa: E501


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, "pool(inputs_0) {everything=true}"),
        (4, "pool(inputs_0) {kernel=[2,2], strides=[2,2]}"),
        (3, "resize(inputs_0) {shape=[2,6,3,3]}"),
        ((None, 1), "pool(inputs_0) {kernel=[1,8], strides=[1,8]}"),
    ],
)
def test_windows_that_fit(size: Any, expected: str) -> None:
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        text = body(lowered(lambda s, x, pool=pool: pool(x, size), IMAGE))
        assert text.splitlines()[0].partition(" = ")[2] == expected


POOLS: dict[str, Forward] = {
    "max": lambda s, x: F.max_pool2d(x, 2),
    "average": lambda s, x: F.avg_pool2d(x, 3, 1, 1),
    "power": lambda s, x: F.lp_pool2d(x, 2.0, 2),
    "adaptive": lambda s, x: F.adaptive_avg_pool2d(x, 3),
    "adaptive max": lambda s, x: F.adaptive_max_pool2d(x, 4),
    "indices": lambda s, x: F.max_pool2d(x, 2, return_indices=True)[1].float(),
    "unpool": lambda s, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "one axis": lambda s, x: F.max_pool1d(x.flatten(2), 2)[..., None],
    "three axes": lambda s, x: F.avg_pool3d(x[:, :, None], (1, 2, 2))[:, :, 0],
    "no batch": lambda s, x: F.max_pool2d(x[0], 2)[None],
}


@pytest.mark.parametrize("name", POOLS)
def test_channels_pass(name: str) -> None:
    pool = POOLS[name]
    groups = proven(lambda s, x: s.b(pool(s, s.a(x))), IMAGE, a=C(6, 6, 1), b=C(6, 2, 1))
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_fractional_windows() -> None:
    traced = lowered(lambda s, x: F.fractional_max_pool2d(x, 2, output_size=4), IMAGE)
    assert [node.op for node in traced.graph.nodes] == ["expand", "pool", "pool"]
