"""Regrouped and reordered axes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C = torch.nn.Conv2d
IMAGE = tensor(2, 6, 8, 8)
VIEWS: dict[str, Forward] = {
    "flatten": lambda x: x.flatten(2).transpose(1, 2).reshape(2, 8, 8, 6).permute(0, 3, 1, 2),
    "unflatten": lambda x: x.unflatten(-1, (2, 4)).flatten(-2),
    "view": lambda x: x.view(2, -1, 64).view(2, 6, 8, 8),
    "squeeze": lambda x: x.unsqueeze(2).unsqueeze(0).squeeze(),
    "swap": lambda x: x.swapaxes(0, 1).swapdims(1, 0),
    "move": lambda x: x.movedim(1, -1).moveaxis((0, 3), (1, 0)).permute(1, 0, 2, 3),
    "matrix": lambda x: x.mT.contiguous().mH,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "as": lambda x: x.flatten(2).view_as(x).reshape_as(x),
    "at least": lambda x: torch.atleast_3d(x),
    "strides": lambda x: x.as_strided((2, 6, 8, 8), (384, 64, 8, 1)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_channels_pass(name: str) -> None:
    view = VIEWS[name]
    groups = proven(lambda s, x: s.b(view(s.a(x))), IMAGE, a=C(6, 6, 1), b=C(6, 2, 1))
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_transposed_parameters() -> None:
    w, u = torch.nn.Parameter(tensor(4, 6)), torch.nn.Parameter(tensor(6, 2))
    groups = proven(lambda s, x: F.linear(F.linear(x, s.w.t()), s.u.T), tensor(2, 4), w=w, u=u)
    assert groups == "g1[6] w.1 u.0"


def test_a_shuffle_stays_recognisable_through_copies() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.a(x).view(2, 2, 3, 8, 8).transpose(1, 2).contiguous().view(2, 6, 8, 8))

    traced = lowered(forward, IMAGE, a=C(6, 6, 1), b=C(6, 2, 1))
    assert "shuffle" in [node.op for node in couple(traced.graph).graph.nodes]


def test_what_changes_nothing_is_no_operation() -> None:
    assert body(
        lowered(lambda s, x: x.permute(0, 1, 2, 3).view(2, 6, 8, 8)[:] + 1, IMAGE)
    ) == lines("""
        add: [2,6,8,8] = pointwise.add(inputs_0)
    """)


def test_other_readings_of_memory_freeze() -> None:
    traced = lowered(lambda s, x: (x.view(torch.int32), x.as_strided((2, 6), (1, 2))), IMAGE)
    assert opaque(traced) == {
        "view": "the same bytes read as another type",
        "as_strided": "elements picked by their place in memory",
    }
