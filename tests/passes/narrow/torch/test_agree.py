"""What is found when a module does not do what the plan says."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.narrow.torch.agree import disagreements  # noqa: E402
from graphprune.passes.narrow.torch.expected import Expected  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan  # noqa: E402

nn = torch.nn
L = nn.Linear
V = tensor(2, 5)


def wrong(plan: Plan, module: Any) -> list[str]:
    """What is wrong with a module that claims to follow the plan."""
    expected = Expected(plan.traced, plan.coupling, plan.alive)
    after = trace(module.eval(), plan.inputs, dynamic_shapes=plan.traced.example.dynamic_shapes)
    return [f"{x.path}: {x.why}" for x in disagreements(expected, after)]


def test_nothing() -> None:
    plan = Plan(Convs().eval(), IMAGE)
    assert wrong(plan, plan.narrow().module) == []
    assert wrong(plan, Convs(4)) == []


def test_another_width() -> None:
    plan = Plan(Convs().eval(), IMAGE)
    assert wrong(plan, Convs(5)) == [": it gives [5, 3, 3, 3], the plan wants [4, 3, 3, 3]"]


def test_another_operator() -> None:
    parts = {"a": L(5, 8), "b": L(8, 3)}
    plan = Plan(Net(lambda s, x: s.b(torch.relu(s.a(x))), **parts).eval(), V)
    half = {"a": L(5, 4), "b": L(4, 3)}
    other = Net(lambda s, x: s.b(torch.tanh(s.a(x))), **half)
    assert wrong(plan, other) == [": once narrowed the module calls aten.tanh.default"]
    more = Net(lambda s, x: s.b(torch.relu(s.a(x))) + s.b(x[:, :4]), **half)
    assert len(wrong(plan, more)) == 1


def test_another_number() -> None:
    def scaled(by: float) -> Any:
        return lambda s, x: s.b(torch.relu(s.a(x)) * by)

    plan = Plan(Net(scaled(8**-0.5), a=L(5, 8), b=L(8, 3)).eval(), V)
    assert wrong(plan, Net(scaled(0.5), a=L(5, 4), b=L(4, 3))) == [
        ": it computes with 0.5, the original with 0.3535533905932738"
    ]


def test_another_start() -> None:
    """Shapes cannot tell where a slice begins."""

    def sliced(start: int, end: int) -> Any:
        return lambda s, x: s.b(torch.relu(s.a(x))[:, start:end]) + s.c(s.a(x))

    plan = Plan(Net(sliced(4, 8), a=L(5, 12), b=L(4, 3), c=L(12, 3)).eval(), V)
    plan.alive[:] = True
    unit = plan.coupling.layers["a.bias"][0].ids
    plan.alive[unit[[0, 1, 4, 5, 8, 9]]] = False
    half = {"a": L(5, 6), "b": L(2, 3), "c": L(6, 3)}
    assert wrong(plan, Net(sliced(2, 4), **half)) == []
    assert wrong(plan, Net(sliced(3, 5), **half)) == [": it has ends (5,), the plan wants (4,)"]


def test_every_other_pixel() -> None:
    """A slice with a step is not everything, wherever it ends."""

    def net(width: int) -> Any:
        parts = {"a": nn.Conv2d(3, width, 1), "b": nn.Conv2d(width, 2, 1)}
        return Net(lambda s, x: s.b(torch.relu(s.a(x))[:, :, ::2]), **parts)

    assert wrong(Plan(net(8).eval(), IMAGE), net(4)) == []


def test_another_order() -> None:
    def shuffled(groups: int) -> Any:
        def forward(s: Any, x: Any) -> Any:
            y = torch.relu(s.a(x))
            return s.b(y.view(-1, groups, y.shape[1] // groups).transpose(1, 2).flatten(1))

        return forward

    plan = Plan(Net(shuffled(4), a=L(5, 16), b=L(16, 3)).eval(), V)
    plan.alive[:] = True
    unit = plan.coupling.layers["a.bias"][0].ids
    plan.alive[unit[8:]] = False  # two of four groups
    half = {"a": L(5, 8), "b": L(8, 3)}
    assert wrong(plan, Net(shuffled(2), **half)) == []
    assert wrong(plan, Net(shuffled(4), **half)) == [
        ": the channels that are left have to be shuffled in an order that no reshape gives"
    ]


def test_other_groups() -> None:
    def normed(groups: int) -> Any:
        return Net(lambda s, x: s.b(s.n(s.a(x))), a=nn.Conv2d(3, 8 if groups == 4 else 4, 1),
                   n=nn.GroupNorm(groups, 8 if groups == 4 else 4),
                   b=nn.Conv2d(8 if groups == 4 else 4, 2, 1))  # fmt: skip

    plan = Plan(normed(4).eval(), IMAGE)
    plan.alive[:] = True
    unit = plan.coupling.layers["a.bias"][0].ids
    plan.alive[unit[4:]] = False  # two of four groups
    assert wrong(plan, normed(2)) == []
    assert wrong(plan, normed(1)) == ["n: it has groups 1, the plan wants 2"]


def test_other_tables() -> None:
    """Indices of a constant gather are places among the channels that are left."""
    net = Net(lambda s, x: s.b(torch.relu(s.a(x))[:, s.order]), a=L(5, 8), b=L(8, 3))
    net.register_buffer("order", torch.tensor([7, 6, 5, 4, 3, 2, 1, 0]))
    plan = Plan(net.eval(), V)
    plan.alive[:] = True
    plan.alive[plan.coupling.layers["a.bias"][0].ids[:4]] = False
    half = Net(lambda s, x: s.b(torch.relu(s.a(x))[:, s.order]), a=L(5, 4), b=L(4, 3))
    half.register_buffer("order", torch.tensor([3, 2, 1, 0]))
    assert wrong(plan, half) == []
    half.register_buffer("order", torch.tensor([0, 1, 2, 3]))
    assert wrong(plan, half) == [
        ": its operand 'index~1' holds other numbers than what is left of them"
    ]
