"""Elements picked by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import (  # noqa: E402
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)


def test_ranges() -> None:
    assert body(lowered(lambda s, x: x[:, 1:, ::2].narrow(3, 1, 2)[..., -1, :], IMAGE)) == lines("""
        slice_2: [2,2,8,8] = slice(inputs_0) {axes=[1], ends=[3], starts=[1], steps=[1]}
        "slice_3~1": [2,2,4,2,8] = reshape(slice_2) {shape=[2,2,4,2,8]}
        "slice_3~2": [2,2,4,1,8] = slice("slice_3~1") {axes=[3], ends=[1], starts=[0], steps=[1]}
        slice_3: [2,2,4,8] = reshape("slice_3~2") {shape=[2,2,4,8]}
        narrow: [2,2,4,2] = slice(slice_3) {axes=[3], ends=[3], starts=[1], steps=[1]}
        "select~1": [2,2,1,2] = slice(narrow) {axes=[2], ends=[4], starts=[3], steps=[1]}
        select: [2,2,2] = reshape("select~1") {shape=[2,2,2]}
    """)


def test_a_range_of_channels() -> None:
    groups = proven(lambda s, x: s.b(s.a(x)[:, 1:5]), IMAGE, a=C(3, 6, 1), b=C(4, 2, 1))
    assert groups == lines("""
        g1[2] a.weight.0 a.bias.0
        g2[4] a.weight.0 a.bias.0 b.weight.1
    """)


def pairs_exchanged(x: Any) -> Any:
    """What rotary embeddings do."""
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)


def test_every_other_channel_keeps_pairs_together() -> None:
    parts = {"a": L(4, 8), "b": L(8, 2), "c": torch.nn.Parameter(tensor(8))}
    groups = proven(lambda s, x: s.b(s.a(x) + pairs_exchanged(s.a(x)) * s.c), V, **parts)
    assert groups == "g1[4] a.weight.0 a.bias.0 c.0 b.weight.1"
    one = proven(lambda s, x: s.b(s.a(x)[:, ::2]), V, a=L(4, 8), b=L(4, 2))
    assert one == "g1[4] a.weight.0 a.bias.0 b.weight.1"


def test_steps_that_do_not_divide_the_extent() -> None:
    function = {"first": lambda s, x: x[:, ::3], "later": lambda s, x: x[:, 2:6:2]}
    for name, end in (("first", 4), ("later", 4)):
        graph = lowered(function[name], V).graph
        assert [(n.op, n.ints("ends")) for n in graph.nodes] == [("slice", (end,))]


def gathered(function: Any, x: Any) -> tuple[int, list[Any]]:
    graph = lowered(lambda s, x: function(x), x).graph
    node = next(n for n in graph.nodes if n.op == "gather")
    index = graph.values[node.inputs[1]].const
    return node.int("axis"), np.asarray(index).tolist()


def test_constant_indices() -> None:
    assert gathered(lambda x: x.index_select(1, torch.tensor([0, 2])), IMAGE) == (1, [0, 2])
    assert gathered(lambda x: x[:, [0, -1]], IMAGE) == (1, [0, 2])
    grid = torch.tensor([[0, 1], [2, 0]])
    assert gathered(lambda x: x[:, grid], IMAGE) == (1, [[0, 1], [2, 0]])


def test_several_constant_indices_are_one_gather_along_merged_axes() -> None:
    i, j = torch.tensor([0, 1]), torch.tensor([2, -1])
    assert gathered(lambda x: x[:, :, i, j], IMAGE) == (2, [2, 15])
    assert gathered(lambda x: x[:, :, i[:, None], j], IMAGE) == (2, [[2, 7], [10, 15]])
    assert gathered(lambda x: x[i, :, j], IMAGE) == (0, [2, 15])


def test_channels_pass_indices_of_other_axes() -> None:
    i, j = torch.tensor([0, 1]), torch.tensor([2, 3])
    groups = proven(
        lambda s, x: s.b(s.a(x)[:, :, i, j]), IMAGE, a=C(3, 6, 1), b=torch.nn.Conv1d(6, 2, 1)
    )
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_a_table_read_by_a_buffer_of_indices() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.t[s.i.view(-1)].view(2, 2, 6) + s.a(x))

    parts = {
        "a": L(4, 6), "b": L(6, 2), "t": torch.nn.Parameter(tensor(5, 6)),
        "i": torch.nn.Buffer(torch.tensor([[0, 1], [1, 4]])),
    }  # fmt: skip
    assert proven(forward, V, **parts) == "g1[6] t.1 a.weight.0 a.bias.0 b.weight.1"


def test_embeddings() -> None:
    def forward(s: Any, i: Any) -> Any:
        return s.b(s.t(i) + s.p(torch.arange(3)))

    parts = {"b": L(6, 2), "t": torch.nn.Embedding(5, 6), "p": torch.nn.Embedding(4, 6)}
    words = torch.tensor([[0, 1, 4], [1, 4, 4]])
    assert body(lowered(forward, words, **parts)).splitlines()[:2] == [
        "embedding: [2,3,6] = lookup(t.weight, inputs_0) {axis=0}",
        'embedding_1: [3,6] = gather(p.weight, "embedding_1~1") {axis=0}',
    ]
    assert proven(forward, words, **parts) == "g1[6] t.weight.1 p.weight.1 b.weight.1"


def test_computed_indices_look_up() -> None:
    groups = proven(
        lambda s, x, i: s.b(s.a(x)[i]), V, torch.tensor([1, 1, 0]), a=L(4, 6), b=L(6, 2)
    )
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_masks_and_pairs_of_computed_indices_freeze() -> None:
    i = torch.tensor([1, 0])
    assert opaque(lowered(lambda s, x, i: x[i > 0], V, i)) == {"index": "a mask picks elements"}
    assert opaque(lowered(lambda s, x, i: x[i, i], V, i)) == {
        "index": "several axes by computed indices"
    }


def test_replaced_ranges() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = torch.slice_scatter(s.a(x), s.c(x), 1, 2, 4)
        return s.b(torch.select_scatter(y, x[:, 0], 1, 0))

    assert proven(forward, V, a=L(4, 6), c=L(4, 2), b=L(6, 2)) == lines("""
        g1[1] a.weight.0 a.bias.0
        g2[1] a.weight.0 a.bias.0 b.weight.1
        g3[2] a.weight.0 a.bias.0
        g4[2] a.weight.0 a.bias.0 b.weight.1
        g5[2] c.weight.0 c.bias.0 b.weight.1
    """)
