"""Convolutions keep their windows, padding by name is spelled out."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.frontends.torch.modules import (  # noqa: E402
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C = torch.nn.Conv2d
IMAGE = tensor(2, 3, 8, 8)


def chain(s: Any, x: Any) -> Any:
    return s.b(s.a(x))


def test_windows() -> None:
    a = C(3, 8, 3, stride=2, padding=1)
    b = C(8, 4, (1, 3), padding="same", dilation=(1, 2), bias=False)
    assert body(lowered(chain, IMAGE, a=a, b=b)) == lines("""
        conv2d: [2,8,4,4] = conv(inputs_0, a.weight, a.bias) {dilations=[1,1], groups=1, pads=[1,1,1,1], strides=[2,2]}
        conv2d_1: [2,4,4,4] = conv(conv2d, b.weight) {dilations=[1,2], groups=1, pads=[0,2,0,2], strides=[1,1]}
    """)  # noqa: E501
    assert proven(chain, IMAGE, a=a, b=b) == "g1[8] a.weight.0 a.bias.0 b.weight.1"


def test_same_padding_of_an_even_kernel_has_more_at_the_end() -> None:
    traced = lowered(lambda s, x: s.a(x), IMAGE, a=C(3, 8, 4, padding="same"))
    assert traced.graph.nodes[0].ints("pads") == (1, 1, 2, 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_rank(rank: int) -> None:
    conv = getattr(torch.nn, f"Conv{rank}d")
    back = getattr(torch.nn, f"ConvTranspose{rank}d")
    parts = {"a": conv(3, 8, 3, padding="valid"), "b": back(8, 2, 3, stride=2, output_padding=1)}
    groups = proven(chain, tensor(2, 3, *(6,) * rank), **parts)
    assert groups == "g1[8] a.weight.0 a.bias.0 b.weight.0"


def test_an_image_without_a_batch_axis_gets_one() -> None:
    parts = {"a": C(3, 8, 3), "b": C(8, 2, 1)}
    traced = lowered(chain, tensor(3, 8, 8), **parts)
    assert [node.op for node in traced.graph.nodes] == ["reshape", "conv", "reshape"] * 2
    assert proven(chain, tensor(3, 8, 8), **parts) == "g1[8] a.weight.0 a.bias.0 b.weight.1"


def test_groups_of_channels() -> None:
    parts = {
        "a": C(3, 8, 1),
        "d": C(8, 8, 3, groups=8),
        "g": C(8, 12, 1, groups=2),
        "b": C(12, 2, 1),
    }
    groups = proven(lambda s, x: s.b(s.g(s.d(s.a(x)))), IMAGE, **parts)
    assert groups == lines("""
        g1[2x4] a.weight.0 a.bias.0 d.weight.0 d.bias.0 g.weight.1
        g2[2x6] g.weight.0 g.bias.0 b.weight.1
    """)


def test_decomposed_convolutions() -> None:
    a, b = C(3, 8, 1), torch.nn.ConvTranspose2d(8, 2, 2)

    def forward(s: Any, x: Any) -> Any:
        run = torch.ops.aten.convolution
        y = run(x, s.a.weight, s.a.bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        return run(y, s.b.weight, s.b.bias, [1, 1], [0, 0], [1, 1], True, [0, 0], 1)

    traced = lowered(forward, IMAGE, a=a, b=b)
    assert [node.op for node in traced.graph.nodes] == ["conv", "conv_transpose"]


def test_displaced_windows() -> None:
    vision = pytest.importorskip("torchvision", reason="torchvision is not installed")

    def forward(s: Any, x: Any) -> Any:
        return s.b(vision.ops.deform_conv2d(s.a(x), s.o(x), s.w, padding=1))

    w = torch.nn.Parameter(tensor(5, 6, 3, 3))
    parts = {"a": C(3, 6, 1), "o": C(3, 18, 3, padding=1), "w": w, "b": C(5, 2, 1)}
    assert proven(forward, IMAGE, **parts) == lines("""
        g1[6] a.weight.0 a.bias.0 w.1
        g2[5] w.0 b.weight.1
    """)
    reasons = opaque(lowered(forward, IMAGE, **parts))
    assert reasons == {"torchvision::deform_conv2d": "it displaces the windows"}
