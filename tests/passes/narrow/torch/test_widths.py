"""From what operators have to be given to what attributes have to hold."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow.torch.expected import Expected  # noqa: E402
from graphprune.passes.narrow.torch.provenance import Slot  # noqa: E402
from graphprune.passes.narrow.torch.widths import contents, replaced, widths  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import Heads, Plan  # noqa: E402

L = torch.nn.Linear


def found(module: Any, *inputs: Any) -> list[dict[str, int]]:
    plan = Plan(module.eval(), *inputs)
    sets = widths(Expected(plan.traced, plan.coupling, plan.alive))
    return [{str(slot): n for slot, n in chosen.items()} for chosen in sets]


def test_by_place_in_a_list_of_sizes() -> None:
    """Heads and their width are both 4, and only one of them is narrowed."""
    net = Heads()
    net.heads, net.width, net.inner = 4, 4, 16
    net.qkv, net.out = L(5, 48), L(16, 5)
    sets = found(net, tensor(2, 3, 5))
    assert sets == [{"heads": 2, "inner": 8}]


def test_a_number_beside_the_narrowed_axis_stays() -> None:
    net = Net(lambda s, x: s.b(s.a(x).view(-1, s.ways, 4).flatten(1)), ways=2, a=L(5, 8), b=L(8, 3))
    assert found(net, tensor(2, 5)) == []


def test_the_start_of_a_slice() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = torch.relu(s.a(x))
        return s.b(y[:, s.cut :]) + s.c(y[:, : s.cut])

    net = Net(forward, cut=6, a=L(5, 10), b=L(4, 3), c=L(6, 3))
    assert found(net, tensor(2, 5)) == [{"cut": 3}]


def test_elements_of_containers() -> None:
    assert replaced(7, (), 3) == 3
    assert replaced([1, 2, 3], (1,), 9) == [1, 9, 3]
    assert replaced({"a": (1, 2)}, ("a", 0), 9) == {"a": (9, 2)}
    assert replaced(torch.Size([4, 5]), (1,), 2) == torch.Size([4, 2])
    assert contents(Net(lambda s, x: x, bag={"a": (1, 2)}), Slot("", ("bag", "a", 1))) == 2
