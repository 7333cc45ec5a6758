"""Tensors made while the network runs."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import body, lines, lowered, proven, tensor  # noqa: E402

L = torch.nn.Linear
V = tensor(2, 4)


def test_one_number_may_have_any_extent() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        return s.b(y + torch.full((6,), 2.0) * y.new_ones(2, 6) - torch.zeros_like(y))

    assert proven(forward, V, a=L(4, 6), b=L(6, 2)) == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_fills_are_scalars_broadcast() -> None:
    text = body(lowered(lambda s, x: x + torch.zeros(2, 4) + torch.rand(4), V))
    assert text == lines("""
        zeros: [2,4] = expand("zeros~1") {shape=[2,4]}
        add: [2,4] = pointwise.add(inputs_0, zeros)
        rand: [4] = expand("rand~1") {shape=[4]}
        add_1: [2,4] = pointwise.add(add, rand)
    """)


def test_numbers_in_order_have_the_extent_they_have() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.a(x) + torch.arange(6) * torch.linspace(0, 1, 6))

    traced = lowered(forward, V, a=L(4, 6), b=L(6, 2))
    frozen = next(f for f in couple(traced.graph).frozen if f.param == "a.weight" and f.axis == 0)
    assert "pointwise.mul 'mul' has fixed results" in frozen.reason[-1]
    assert traced.graph.values["linspace"].kind == "const"


def test_known_integers_are_no_operations() -> None:
    def forward(s: Any, x: Any) -> Any:
        return x[:, (torch.arange(4) * 3 + 1) % 4]

    assert [node.op for node in lowered(forward, V).graph.nodes] == ["gather"]
