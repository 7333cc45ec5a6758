"""Values joined and taken apart."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import body, lines, lowered, proven, tensor  # noqa: E402

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)


def test_cat_lays_channels_end_to_end() -> None:
    groups = proven(
        lambda s, x: s.b(torch.cat([s.a(x), s.c(x)], 1)),
        IMAGE,
        a=C(3, 6, 1),
        c=C(3, 4, 1),
        b=C(10, 2, 1),
    )
    assert groups == lines("""
        g1[6] a.weight.0 a.bias.0 b.weight.1
        g2[4] c.weight.0 c.bias.0 b.weight.1
    """)


@pytest.mark.parametrize("join", [torch.hstack, torch.column_stack])
def test_vectors_side_by_side(join: Any) -> None:
    traced = lowered(lambda s, x: join([x, x[:, :1]]), V)
    assert traced.graph.nodes[-1].op == "concat"
    assert traced.graph.nodes[-1].int("axis") == 1


@pytest.mark.parametrize(
    ("join", "shape"),
    [
        (torch.hstack, (8,)), (torch.vstack, (2, 4)), (torch.dstack, (1, 4, 2)),
        (torch.column_stack, (4, 2)), (torch.row_stack, (2, 4)), (torch.stack, (2, 4)),
        (lambda x: torch.stack(x, -1), (4, 2)), (lambda x: torch.cat([*x, x[0][:0]]), (8,)),
    ],
)  # fmt: skip
def test_vectors(join: Any, shape: tuple[int, ...]) -> None:
    graph = lowered(lambda s, x: join([x, x * 2]), tensor(4)).graph
    assert graph.values[graph.outputs[0]].shape == shape


def test_stack_adds_an_axis() -> None:
    assert body(lowered(lambda s, x: torch.stack([x, x * 2], 1), V)) == lines("""
        mul: [2,4] = pointwise.mul(inputs_0)
        "stack~1": [2,1,4] = reshape(inputs_0) {shape=[2,1,4]}
        "stack~2": [2,1,4] = reshape(mul) {shape=[2,1,4]}
        stack: [2,2,4] = concat("stack~1", "stack~2") {axis=1}
    """)


@pytest.mark.parametrize(
    ("cut", "sizes"),
    [
        (lambda x: x.chunk(4, 1), (2, 2, 2)), (lambda x: x.split(4, 1), (4, 2)),
        (lambda x: x.split([1, 5], 1), (1, 5)), (lambda x: x.tensor_split(4, 1), (2, 2, 1, 1)),
        (lambda x: x.tensor_split([1, 4], 1), (1, 3, 2)),
    ],
)  # fmt: skip
def test_pieces(cut: Any, sizes: tuple[int, ...]) -> None:
    graph = lowered(lambda s, x: cut(x), tensor(2, 6)).graph
    assert [node.op for node in graph.nodes] == ["split"]
    assert graph.nodes[0].ints("sizes") == sizes
    assert graph.outputs == tuple(["getitem", *(f"getitem_{i}" for i in range(1, len(sizes)))])


def test_pieces_are_narrowed_apart() -> None:
    def forward(s: Any, x: Any) -> Any:
        left, right = s.a(x).chunk(2, 1)
        return s.b(left) + s.c(right)

    groups = proven(forward, IMAGE, a=C(3, 6, 1), b=C(3, 2, 1), c=C(3, 2, 1))
    assert groups == lines("""
        g1[3] a.weight.0 a.bias.0 b.weight.1
        g2[3] a.weight.0 a.bias.0 c.weight.1
    """)


def test_unbind_drops_the_axis() -> None:
    assert body(lowered(lambda s, x: x.unbind(1)[1], tensor(3, 2, 4))) == lines("""
        "unbind~1": [3,1,4], "unbind~2": [3,1,4] = split(inputs_0) {axis=1, sizes=[1,1]}
        getitem_1: [3,4] = reshape("unbind~2") {shape=[3,4]}
    """)


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_grids_of_vectors(indexing: str) -> None:
    def forward(s: Any, x: Any) -> Any:
        return torch.meshgrid(x, x[:2], indexing=indexing)

    graph = lowered(forward, tensor(4)).graph
    places = [node.ints("shape") for node in graph.nodes if node.op == "reshape"]
    assert places == ([(4, 1), (1, 2)] if indexing == "ij" else [(1, 4), (2, 1)])


def test_pixels_and_channels() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(F.pixel_unshuffle(s.d(F.pixel_shuffle(s.a(x), 2)), 2))

    parts = {"a": C(3, 8, 1), "d": C(2, 3, 1), "b": C(12, 2, 1)}
    assert proven(forward, IMAGE, **parts) == lines("""
        g1[2] a.weight.0 a.bias.0 d.weight.1
        g2[3] d.weight.0 d.bias.0 b.weight.1
    """)


def test_channel_shuffle_is_a_permutation() -> None:
    parts = {"a": C(3, 6, 1), "b": C(6, 2, 1)}
    traced = lowered(lambda s, x: s.b(F.channel_shuffle(s.a(x), 2)), IMAGE, **parts)
    assert traced.graph.nodes[1].ints("perm") == (0, 3, 1, 4, 2, 5)
    groups = proven(lambda s, x: s.b(F.channel_shuffle(s.a(x), 2)), IMAGE, **parts)
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.1"
