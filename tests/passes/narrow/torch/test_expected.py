"""What a plan says of a traced module's nodes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow.torch.expected import Expected, extents  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan  # noqa: E402

nn = torch.nn


def expected(plan: Plan) -> Expected:
    return Expected(plan.traced, plan.coupling, plan.alive)


def test_shapes_before_and_after() -> None:
    plan = Plan(Convs().eval(), IMAGE)
    found = expected(plan)
    relu = next(node for node in plan.traced.nodes if node.name == "relu")
    assert (found.old("relu"), found.shape("relu"), found.of(relu)) == (
        (2, 8, 8, 8), (2, 4, 8, 8), (2, 4, 8, 8),
    )  # fmt: skip
    assert extents(relu) == [(2, 8, 8, 8)]
    assert found.extents("a.weight") == [(8, 4), (3, 3), (3, 3), (3, 3)]
    assert set(found.pairs(relu)) == {(2, 2), (8, 4), (8, 8)}


def test_slices_and_pieces_count_survivors() -> None:
    L = nn.Linear
    net = Net(lambda s, x: s.b(s.a(x)[:, 2:6]) + s.c(s.a(x).split([3, 5], 1)[1]),
              a=L(5, 8), b=L(4, 3), c=L(5, 3))  # fmt: skip
    plan = Plan(net.eval(), tensor(2, 5))
    plan.alive[:] = True
    plan.alive[plan.coupling.layers["a.bias"][0].ids[[0, 3, 7]]] = False
    found = expected(plan)
    attrs = {node.op: found.attrs(node) for node in plan.traced.graph.nodes}
    assert (attrs["slice"]["starts"], attrs["slice"]["ends"]) == ((1,), (4,))
    assert attrs["split"]["sizes"] == (2, 3)


def test_groups_follow_the_channels() -> None:
    net = Net(lambda s, x: s.c(s.b(s.a(x))), a=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 8, 1, groups=8),
              c=nn.Conv2d(8, 2, 1))  # fmt: skip
    plan = Plan(net.eval(), IMAGE)
    found = expected(plan)
    groups = [found.attrs(n)["groups"] for n in plan.traced.graph.nodes if n.op == "conv"]
    assert groups == [1, 4, 1]


def test_a_shuffle_ranks_its_survivors() -> None:
    net = Net(lambda s, x: s.b(s.m(s.a(x))), m=nn.ChannelShuffle(2), a=nn.Conv2d(3, 8, 1),
              b=nn.Conv2d(8, 2, 1))  # fmt: skip
    plan = Plan(net.eval(), IMAGE)
    plan.alive[:] = True
    plan.alive[plan.coupling.layers["a.bias"][0].ids[[0, 1, 2]]] = False
    node = next(n for n in plan.coupling.graph.nodes if n.op == "shuffle")
    assert node.ints("perm") == (0, 4, 1, 5, 2, 6, 3, 7)
    assert expected(plan).permutation(node) == (1, 2, 3, 0, 4)
