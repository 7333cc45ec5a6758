"""Integers tell which attribute they were read from."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.narrow.torch.provenance import OPEN, Slot, Tracked, uses  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402

V = tensor(2, 6)


def seen(function: Any, **parts: Any) -> list[tuple[list[Any], tuple[str, ...]]]:
    """What each use was given, attributes by name, and the nodes that came of it."""
    found = uses(trace(Net(function, **parts).eval(), (V,)))
    return [([_name(n) for n in use.numbers], use.nodes) for use in found]


def _name(number: int) -> Any:
    if not isinstance(number, Tracked):
        return number
    return str(number.slot) if number.slot is not None else sorted(map(str, number.slots))


def test_arithmetic_is_remembered() -> None:
    a, b = (Tracked.read(n, Slot("m", (name,))) for n, name in ((6, "a"), (4, "b")))
    assert a.slot == Slot("m", ("a",))
    assert _name(a * 2) == ["m.a"]
    results = [a + b, 2 * a, a // 4, 20 // b, a * b - 1, 7 - a, a % b]
    assert results == [10, 12, 1, 5, 23, 1, 2]
    given = {Slot("m", ("a",)): 3, Slot("m", ("b",)): 2}
    made = [x.made(given) for x in results if isinstance(x, Tracked)]
    assert made == [5, 6, 0, 10, 5, 4, 1]
    assert isinstance(a / 2, float)
    assert type(a**-0.5) is float
    assert str(Slot("m.n", ("sizes", 1))) == "m.n.sizes[1]"


def test_sizes_given_to_operators() -> None:
    assert seen(lambda s, x: x.view(-1, s.a, s.a // 2 + 1), a=3) == [([-1, "a", ["a"]], ("view",))]
    assert seen(lambda s, x: x.split(s.parts, 1)[0], parts=[2, 4]) == [
        (["parts[0]", "parts[1]"], ("split_with_sizes", "getitem", "getitem_1"))
    ]
    ((numbers, nodes),) = seen(lambda s, x: x[:, : s.a], a=3)
    assert (numbers, nodes[-1].startswith("slice")) == (["a"], True)
    assert seen(lambda s, x: x.view(x.shape[0], 2, s.a), a=3)[0][0] == [OPEN, 2, "a"]
    assert seen(lambda s, x: x + torch.zeros(s.a), a=6) == [(["a"], ("zeros",))]


def test_what_is_not_handed_over_is_not_seen() -> None:
    def forward(s: Any, x: Any) -> Any:
        for _ in range(s.rounds):
            x = x + s.by
        return x * s.scale

    assert seen(forward, rounds=2, by=True, scale=0.5) == []


def test_the_module_is_left_as_it_was() -> None:
    def forward(s: Any, x: Any) -> Any:
        s.last = s.a * 2
        s.kept.append(s.a)
        return x.view(-1, s.a)

    net = Net(forward, a=3, kept=[5], last=None)
    uses(trace(net, (V,)))
    held = (net.a, net.last, *net.kept)
    assert {type(n) for n in held} <= {int, type(None)}
    assert "forward" not in net.__dict__
