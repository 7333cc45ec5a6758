"""Borders: PyTorch counts axes from the last one."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import lines, lowered, proven, tensor  # noqa: E402

C = torch.nn.Conv2d
IMAGE = tensor(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("torch_mode", "mode"),
    [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")],
)
def test_order_and_modes(torch_mode: str, mode: str) -> None:
    node = lowered(lambda s, x: F.pad(x, (1, 2, 3, 4), mode=torch_mode), IMAGE).graph.nodes[0]
    assert node.ints("pads") == (0, 0, 3, 1, 0, 0, 4, 2)
    assert node.attrs["mode"] == mode


def test_modules() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.q(s.p(s.a(x))))

    parts = {"p": torch.nn.ReflectionPad2d(1), "q": torch.nn.ReplicationPad2d(1)}
    groups = proven(forward, IMAGE, a=C(3, 6, 1), b=C(6, 2, 1), **parts)
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_added_channels_are_a_group_of_their_own() -> None:
    groups = proven(
        lambda s, x: s.b(F.pad(s.a(x), (0, 0, 0, 0, 1, 2))), IMAGE, a=C(3, 6, 1), b=C(9, 2, 1)
    )
    assert groups == lines("""
        g1[6] a.weight.0 a.bias.0 b.weight.1
        g2[3] b.weight.1
    """)


def test_no_border_is_no_operation() -> None:
    assert lowered(lambda s, x: F.pad(x, (0, 0)), IMAGE).graph.nodes == ()
