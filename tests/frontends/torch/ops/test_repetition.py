"""Repeated and rotated elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)
REPEATED: dict[str, tuple[Forward, int]] = {
    "expand": (lambda s, y: y[None].expand(2, -1, -1)[1], 6),
    "expand as": (lambda s, y: y[:, None].expand_as(torch.zeros(2, 3, 6)).sum(1), 6),
    "broadcast": (lambda s, y: torch.broadcast_tensors(y, torch.zeros(2, 2, 6))[0].sum(0), 6),
    "repeat": (lambda s, y: y.repeat(1, 2), 12),
    "tile": (lambda s, y: y.tile(2), 12),
    "interleave": (lambda s, y: y.repeat_interleave(2, 1), 12),
    "roll": (lambda s, y: y.roll(2, 1), 6),
    "roll all": (lambda s, y: y.roll(1), 6),
    "flip": (lambda s, y: y.flip((0, 1)), 6),
    "fliplr": (lambda s, y: y.fliplr().flipud(), 6),
}


@pytest.mark.parametrize("name", REPEATED)
def test_channels_are_followed(name: str) -> None:
    repeat, width = REPEATED[name]
    groups = proven(lambda s, x: s.b(repeat(s, s.a(x))), V, a=L(4, 6), b=L(width, 2))
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_missing_axes_are_added_in_front() -> None:
    text = body(lowered(lambda s, x: s.k.repeat(2, 1) + x, V, k=torch.nn.Parameter(tensor(4))))
    assert text == lines("""
        "repeat~1": [1,4] = reshape(k) {shape=[1,4]}
        repeat: [2,4] = tile("repeat~1") {repeats=[2,1]}
        add: [2,4] = pointwise.add(repeat, inputs_0)
    """)


def indices(function: Forward, x: Any) -> list[list[int]]:
    graph = lowered(lambda s, x: function(x), x).graph
    gathers = [graph.values[n.inputs[1]].const for n in graph.nodes if n.op == "gather"]
    return [np.asarray(index).tolist() for index in gathers]


def test_rotations_are_gathers() -> None:
    assert indices(lambda x: x.roll((1, -1), (0, 1)), tensor(2, 4)) == [[1, 0], [1, 2, 3, 0]]
    assert indices(lambda x: x.roll(8, 1), tensor(2, 4)) == []
    assert indices(lambda x: x.flip(1), tensor(2, 3)) == [[2, 1, 0]]


def test_elements_repeated_by_known_counts() -> None:
    counts = torch.tensor([1, 0, 2])
    found = indices(
        lambda x: torch.repeat_interleave(x, counts, dim=1, output_size=3), tensor(2, 3)
    )
    assert found == [[0, 2, 2]]


def test_counts_known_at_run_time_only() -> None:
    traced = lowered(lambda s, x, n: x.repeat_interleave(n, 1), V, torch.tensor([1, 1, 0, 2]))
    assert set(opaque(traced)) == {"repeat_interleave"}
