"""Pieces of an axis: sizes are what survives of each."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

IMAGE = tensor(2, 3, 6, 6)


def test_equal_pieces_may_become_unequal() -> None:
    found = net(
        lambda m, x: m.c(torch.cat([part.relu() for part in m.a(x).chunk(2, 1)][::-1], 1)),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        c=nn.Conv2d(12, 4, 1),
    )
    (split,) = calls(found, "chunk", "split_with_sizes")
    assert split.startswith("split_with_sizes(conv2d, [")
    sizes = [int(n) for n in split.partition("[")[2].partition("]")[0].split(",")]
    assert sum(sizes) == 6


def test_pieces_of_their_own_widths() -> None:
    found = net(
        lambda m, x: (
            m.c(torch.cat(list(m.a(x).split([4, 8], 1)), 1)) + m.d(m.a(x).split([4, 8], 1)[1])
        ),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        c=nn.Conv2d(12, 4, 1),
        d=nn.Conv2d(8, 4, 1),
    )
    first, second = calls(found, "split_with_sizes")
    assert first.partition("[")[2] == second.partition("[")[2] != "4, 8], 1)"


def test_a_whole_axis_is_split_as_before() -> None:
    found = net(
        lambda m, x: m.c(m.a(x).split(3, 2)[1]), IMAGE, a=nn.Conv2d(3, 12, 1), c=nn.Conv2d(12, 4, 1)
    )
    assert calls(found, "split") == ["split(conv2d, 3, 2)"]
