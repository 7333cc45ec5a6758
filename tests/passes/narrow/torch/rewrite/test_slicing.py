"""Ranges and places of an axis: bounds count survivors."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

WORDS = tensor(2, 5, 8)


def halves(function: Any) -> Any:
    """A product of two halves of channels between linear layers."""
    return net(function, WORDS, a=nn.Linear(8, 12), b=nn.Linear(6, 3))


def test_both_bounds_of_a_slice() -> None:
    found = halves(lambda m, x: m.b(m.a(x)[..., :6] * m.a(x)[..., 6:]))
    assert calls(found, "slice") == [
        "slice(linear, 2, 0, 3)",
        "slice(linear_1, 2, 3, 9223372036854775807)",
    ]


def test_start_and_length() -> None:
    found = halves(lambda m, x: m.b(m.a(x).narrow(2, 0, 6) * m.a(x).narrow(-1, 6, 6)))
    assert calls(found, "narrow") == ["narrow(linear, 2, 0, 3)", "narrow(linear_1, -1, 3, 3)"]


def test_a_bound_that_still_holds_stays_as_it_is() -> None:
    found = net(lambda m, x: m.b(m.a(x)[:, 1:-1]), WORDS, a=nn.Linear(8, 12), b=nn.Linear(12, 3))
    assert calls(found, "slice") == ["slice(linear, 1, 1, -1)"]


def test_one_place_of_a_whole_axis() -> None:
    found = net(
        lambda m, x: m.b(m.a(x).view(2, 5, 3, 4).permute(2, 0, 1, 3)[1]),
        WORDS,
        a=nn.Linear(8, 12),
        b=nn.Linear(4, 3),
    )
    assert calls(found, "view", "select") == [
        "view(linear, [2, 5, 3, 2])",
        "select(permute, 0, 1)",
    ]
