"""Borders along a narrowed axis lose what the plan takes of them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

IMAGE = tensor(2, 3, 6, 6)


def test_padded_channels_of_a_shortcut() -> None:
    found = net(
        lambda m, x: m.c(m.a(x) + nn.functional.pad(m.b(x), (0, 0, 0, 0, 4, 4))),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(3, 4, 1),
        c=nn.Conv2d(12, 4, 1),
    )
    (pad,) = calls(found, "pad")
    before, after = (int(n) for n in pad.partition("[")[2].partition("]")[0].split(",")[4:])
    assert before + found.b.weight.shape[0] + after == found.a.weight.shape[0] == 6


def test_borders_of_the_image_stay() -> None:
    found = net(
        lambda m, x: m.c(nn.functional.pad(m.a(x), (1, 2))),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        c=nn.Conv2d(12, 4, 1),
    )
    assert calls(found, "pad") == ["pad(conv2d, [1, 2])"]
