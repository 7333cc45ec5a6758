"""Narrowed programs in the names of the original."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.frontends.torch import TracedModule, trace  # noqa: E402
from graphprune.ir.check import check  # noqa: E402
from graphprune.ir.text import print_graph  # noqa: E402
from graphprune.passes.verify.torch import aligned  # noqa: E402
from tests.frontends.torch.modules import Forward, Net, body, tensor  # noqa: E402


def traced(function: Forward, *names: str) -> TracedModule:
    parts = {name: torch.nn.Linear(4, 4) for name in names}
    return trace(Net(function, **parts).eval(), (tensor(2, 4),))


def plain(m: Any, x: Any) -> Any:
    y = m.a(x).relu()
    return m.b(y).relu() + y.view(2, 2, 2).flatten(1)


def test_the_same_program_keeps_its_names() -> None:
    original, again = traced(plain, "a", "b"), traced(plain, "a", "b")
    assert print_graph(aligned(original, again)) == print_graph(original.graph)


def test_calls_that_came_and_went_leave_the_others_their_names() -> None:
    def other(m: Any, x: Any) -> Any:
        y = m.a(x.view(1, 2, 4).view(2, 4)).relu()
        return m.b(y.index_select(1, torch.arange(4))).relu() + y

    original, again = traced(plain, "a", "b"), traced(other, "a", "b")
    graph = aligned(original, again)
    check(graph)
    before, after = body(original).splitlines(), print_graph(graph).splitlines()
    for line in before:
        if "linear" in line.partition(":")[0] or "relu" in line.partition(":")[0]:
            name = line.partition(":")[0]
            assert any(new.startswith(f"{name}:") for new in after), line
    assert graph.outputs == original.graph.outputs == ("add",)


def test_what_is_new_is_called_like_nothing_in_the_original() -> None:
    def shifted(m: Any, x: Any) -> Any:
        y = m.a(x.relu()).relu()
        return m.b(y).relu() + y.view(2, 2, 2).flatten(1)

    original, again = traced(plain, "a", "b"), traced(shifted, "a", "b")
    graph = aligned(original, again)
    check(graph)
    (new,) = set(graph.values) - set(original.graph.values)
    assert new.endswith("~new")
    reader = next(node for node in graph.nodes if new in node.inputs)
    assert reader.outputs == ("linear~1",)


def test_inputs_are_matched_by_position_and_parameters_by_name() -> None:
    def two(m: Any, left: Any, right: Any) -> Any:
        return m.a(left) + m.b(right)

    def swapped(m: Any, one: Any, other: Any) -> Any:
        y = m.b(other)
        return m.a(one) + y

    parts = {name: torch.nn.Linear(4, 4) for name in "ab"}
    first, second = (
        trace(Net(f, **parts).eval(), (tensor(2, 4), tensor(2, 4))) for f in (two, swapped)
    )
    graph = aligned(first, second)
    assert graph.inputs == first.graph.inputs
    products = [node for node in graph.nodes if node.op == "contract"]
    read = {node.inputs[1]: node.inputs[0] for node in products}
    assert read == {"a.weight": first.graph.inputs[0], "b.weight": first.graph.inputs[1]}
