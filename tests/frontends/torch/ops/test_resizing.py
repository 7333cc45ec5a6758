"""Interpolation copies channels; coordinates are none."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import (  # noqa: E402
    body,
    lowered,
    opaque,
    proven,
    tensor,
)

C = torch.nn.Conv2d
IMAGE = tensor(2, 3, 8, 8)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area", "nearest-exact"])
def test_modes(mode: str) -> None:
    text = body(lowered(lambda s, x: F.interpolate(x, scale_factor=2, mode=mode), IMAGE))
    assert text.partition(" = ")[2] == "resize(inputs_0) {shape=[2,3,16,16]}"


@pytest.mark.parametrize(("rank", "mode"), [(1, "linear"), (3, "trilinear")])
def test_other_ranks(rank: int, mode: str) -> None:
    x = tensor(2, 3, *(4,) * rank)
    traced = lowered(lambda s, x: F.interpolate(x, size=6, mode=mode), x)
    assert traced.graph.nodes[0].ints("shape") == (2, 3, *(6,) * rank)


def test_smoothed_downsampling() -> None:
    traced = lowered(lambda s, x: F.interpolate(x, size=4, mode="bilinear", antialias=True), IMAGE)
    assert traced.graph.nodes[0].op == "resize"


def test_a_resized_position_table_is_narrowed_too() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.a(x) + F.interpolate(s.p, size=(8, 8), mode="bicubic"))

    parts = {"a": C(3, 6, 1), "b": C(6, 2, 1), "p": torch.nn.Parameter(tensor(1, 6, 4, 4))}
    assert proven(forward, IMAGE, **parts) == "g1[6] a.weight.0 a.bias.0 p.1 b.weight.1"


def test_a_grid_stays_whole() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(F.grid_sample(s.a(x), s.g(x).permute(0, 2, 3, 1)))

    parts = {"a": C(3, 6, 1), "g": C(3, 2, 1), "b": C(6, 2, 1)}
    assert proven(forward, IMAGE, **parts) == "g1[6] a.weight.0 a.bias.0 b.weight.1"
    assert opaque(lowered(forward, IMAGE, **parts)) == {
        "grid_sampler": "its last axis holds coordinates"
    }


def test_boxes_stay_whole() -> None:
    vision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    boxes = torch.tensor([[0.0, 0, 0, 4, 4], [1, 1, 1, 5, 5], [0, 0, 0, 3, 3]])

    def forward(s: Any, x: Any, b: Any) -> Any:
        return s.b(vision.ops.roi_align(s.a(x), b, (2, 2)))

    parts = {"a": C(3, 6, 1), "b": C(6, 2, 1)}
    assert proven(forward, IMAGE, boxes, **parts) == "g1[6] a.weight.0 a.bias.0 b.weight.1"
