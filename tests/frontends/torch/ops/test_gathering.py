"""Elements picked one by one, sliding windows of elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import lowered, opaque, proven, tensor  # noqa: E402

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE = tensor(2, 3, 8, 8)
CHAIN = "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_the_axis_that_is_searched_stays_whole() -> None:
    index = torch.tensor([[[0], [3]], [[1], [4]]])
    x, parts = tensor(2, 5, 4), {"a": L(4, 6), "b": L(6, 2)}
    assert (
        proven(lambda s, x, i: s.b(s.a(x).gather(1, i.expand(-1, -1, 6))), x, index, **parts)
        == CHAIN
    )
    searched = lowered(lambda s, x: s.b(s.a(x).gather(2, s.a(x).argsort(2))), x, **parts)
    assert couple(searched.graph).groups == ()


def test_indices_for_a_part_of_the_other_axes_freeze() -> None:
    traced = lowered(
        lambda s, x: x.gather(1, torch.zeros(1, 2, 3, dtype=torch.long)), tensor(2, 5, 4)
    )
    assert opaque(traced) == {"gather": "indices for a part of the other axes"}


def test_windows_along_axes() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x).unfold(2, 4, 2).unfold(3, 4, 4)
        return s.b(y.permute(0, 2, 3, 1, 4, 5).flatten(3))

    assert proven(forward, IMAGE, a=C(3, 6, 1), b=L(96, 2)) == CHAIN


@pytest.mark.parametrize("options", [{}, {"dilation": 2, "padding": 1, "stride": 2}])
def test_windows_as_columns(options: dict[str, int]) -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(F.unfold(s.a(x), (2, 3), **options).mT)

    assert proven(forward, IMAGE, a=C(3, 6, 1), b=L(36, 2)) == CHAIN


def test_columns_are_in_pytorchs_order() -> None:
    """What the canonical operations give, computed by NumPy, is what PyTorch computes."""
    traced = lowered(lambda s, x: F.unfold(x, (2, 3), dilation=2, padding=1, stride=2), IMAGE)
    held = {"inputs_0": IMAGE.numpy()}
    for node in traced.graph.nodes:
        x = held[node.inputs[0]]
        if node.op == "pad":
            pads = node.ints("pads")
            result = np.pad(x, list(zip(pads[:4], pads[4:], strict=True)))
        elif node.op == "gather":
            result = np.take(x, np.asarray(traced.contents(node.inputs[1])), node.int("axis"))
        elif node.op == "transpose":
            result = x.transpose(node.ints("perm"))
        else:
            result = x.reshape(node.ints("shape"))
        held[node.outputs[0]] = result
    wanted = F.unfold(IMAGE, (2, 3), dilation=2, padding=1, stride=2).numpy()
    np.testing.assert_array_equal(held[traced.graph.outputs[0]], wanted)


def test_columns_added_up() -> None:
    def forward(s: Any, x: Any) -> Any:
        columns = F.unfold(s.a(x), 3, padding=1, stride=2)
        return s.b(F.fold(columns, (8, 8), 3, padding=1, stride=2))

    groups = proven(forward, tensor(2, 3, 8, 8), a=C(3, 6, 1), b=C(6, 2, 1))
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"
