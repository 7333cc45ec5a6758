"""Known places are ranked among the survivors."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

IMAGE = tensor(2, 3, 6, 6)


def between(function: Any, width: int = 12) -> Any:
    """A function of channels between two convolutions."""
    return net(
        lambda m, x: m.b(function(m.a(x))),
        IMAGE,
        a=nn.Conv2d(3, width, 1),
        b=nn.Conv2d(width, 3, 1),
    )


def shuffle(x: Any) -> Any:
    n, c, h, w = x.shape
    return x.view(n, 3, c // 3, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


@pytest.mark.parametrize("permute", [shuffle, lambda x: torch.channel_shuffle(x, 3)])
def test_a_shuffle_becomes_explicit_indices(permute: Any) -> None:
    found = between(permute)
    assert calls(found, "view", "transpose", "channel_shuffle") == []
    (index,) = calls(found, "index_select")
    assert index == "index_select(conv2d, 1, _narrowed_0)"
    assert sorted(found._narrowed_0.tolist()) == [0, 1, 2, 3, 4, 5]
    assert "_narrowed_0" not in found.state_dict()


@pytest.mark.parametrize(
    "pick",
    [
        lambda x: x.index_select(1, torch.arange(11, -1, -1)),
        lambda x: x[:, torch.arange(11, -1, -1)],
    ],
)
def test_constant_indices_are_ranked_again(pick: Any) -> None:
    found = between(pick)
    assert found._narrowed_0.tolist() == [5, 4, 3, 2, 1, 0]


def test_channels_that_change_sides_are_counted() -> None:
    found = between(lambda x: x.roll((1, 5), (2, 1)))
    (roll,) = calls(found, "roll")
    assert roll.startswith("roll(conv2d, [1, ") and roll != "roll(conv2d, [1, 5], [2, 1])"


def test_repeated_channels() -> None:
    found = net(
        lambda m, x: m.b(m.a(x).repeat_interleave(2, 1, output_size=24)),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(24, 3, 1),
    )
    (repeat,) = calls(found, "repeat_interleave")
    assert repeat.endswith("output_size=12)")


def test_a_table_of_positions_is_read_at_the_same_places() -> None:
    found = net(
        lambda m, x: m.b(m.a(x) + m.table[torch.arange(6)].t().reshape(1, 12, 6, 1)),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(12, 3, 1),
        table=nn.Parameter(tensor(6, 12)),
    )
    assert found.table.shape == (6, 6)
    assert calls(found, "reshape") == ["reshape(t, [1, 6, 6, 1])"]
