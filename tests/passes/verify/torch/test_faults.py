"""Mistakes in coupling rules, and in narrowed modules, show in the proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.errors import GraphpruneError  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.torch import NarrowedModule  # noqa: E402
from graphprune.passes.verify.torch import verify_module  # noqa: E402
from tests.faults import (  # noqa: E402
    Mistake,
    equalities,
    forgets_nothing,
    forgotten,
    mistaken,
    shifted,
)
from tests.frontends.torch import masking  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.verify.torch.proving import Case, case, net  # noqa: E402

nn = torch.nn


def residual() -> Case:
    def forward(m: Any, x: Any) -> Any:
        y = m.norm(m.a(x)).relu()
        y = m.b(y).relu() + y
        return m.head(torch.cat([y, m.depthwise(y)], 1).mean((2, 3)))

    parts = {
        "a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 8, 1), "norm": nn.BatchNorm2d(8),
        "depthwise": nn.Conv2d(8, 8, 1, groups=8), "head": nn.Linear(16, 2),
    }  # fmt: skip
    nn.init.normal_(parts["norm"].running_mean)
    return case(net(forward, **parts), tensor(2, 3, 4, 4))


def attention() -> Case:
    def forward(m: Any, x: Any) -> Any:
        parts = (p(m.norm(x)).unflatten(-1, (2, -1)).transpose(1, 2) for p in (m.q, m.k, m.v))
        y = nn.functional.scaled_dot_product_attention(*parts, scale=0.5)
        return m.o(x + m.p(y.transpose(1, 2).flatten(2)))

    def embedded(m: Any, x: Any) -> Any:
        return forward(m, m.a(x))

    parts = {name: nn.Linear(8, 8) for name in "qkvp"}
    parts |= {"a": nn.Linear(5, 8), "o": nn.Linear(8, 3), "norm": nn.LayerNorm(8)}
    for tensors in parts["norm"].parameters():
        nn.init.normal_(tensors)
    return case(net(embedded, **parts), tensor(2, 3, 5))


def lstm() -> Case:
    parts = {"a": nn.Linear(4, 6), "cells": nn.LSTM(6, 8), "b": nn.Linear(8, 3)}
    return case(net(lambda m, x: m.b(m.cells(m.a(x))[0]), **parts), tensor(5, 2, 4))


CASES: dict[str, Callable[[], Case]] = {
    "residual": residual,
    "attention": attention,
    "lstm": lstm,
}


def caught(found: Case, seed: int) -> str:
    """How a mistake shows in a plan of halves; empty where it does not."""
    try:
        coupling = couple(found.traced.graph)
        alive = masking.draw(coupling, seed, exact=False)
        proof = Case(found.traced, coupling, alive).proof()
    except (GraphpruneError, ValueError, IndexError) as error:
        return type(error).__name__
    if proof.ok:
        return ""
    return "masked" if proof.replay.ok else "replay"


@pytest.mark.parametrize("mistake", [forgotten, shifted])
@pytest.mark.parametrize("name", sorted(CASES))
def test_an_equality_that_is_wrong_is_noticed(name: str, mistake: Mistake) -> None:
    torch.manual_seed(0)
    found = CASES[name]()
    tried, unnoticed = set(), []
    for family, result, number in equalities(found.traced.graph):
        if (family, number) in tried:
            continue
        with mistaken((result, number), mistake):
            if forgets_nothing(found.coupling, couple(found.traced.graph)):
                continue
            tried.add((family, number))
            if not any(caught(found, seed) for seed in range(4)):
                unnoticed.append((family, result, number))
    assert tried
    assert unnoticed == []


def test_without_a_mistake_nothing_is_noticed() -> None:
    torch.manual_seed(0)
    for build in CASES.values():
        assert [caught(build(), seed) for seed in range(2)] == ["", ""]


def test_numbers_show_what_labels_cannot() -> None:
    """The same mistake in both runs on labels: only the masked original knows."""
    torch.manual_seed(0)
    found = residual()
    with mistaken(("add", 1), forgotten):
        assert {caught(found, seed) for seed in range(4)} == {"masked"}


def spoiled(found: Case, spoil: Callable[[Any], None]) -> NarrowedModule:
    """What the narrow pass made, with a mistake."""
    narrowed = found.narrowed()
    with torch.no_grad():
        spoil(narrowed.module)
    again = trace(narrowed.module, found.traced.example.args)
    return replace(narrowed, traced=again)


def test_weights_cut_in_the_wrong_order_show_in_the_numbers() -> None:
    """Labels are derived from the plan: they cannot know what a parameter really holds."""

    def permute(module: Any) -> None:
        module.head.weight.copy_(module.head.weight.roll(1, 1))

    found = residual()
    proof = found.proof(spoiled(found, permute))
    assert proof.replay.ok
    assert proof.masked is not None
    assert proof.masked.worst > 1e-3
    assert proof.masked.precision == "float64"
    assert not proof.ok


def test_channels_read_at_a_wrong_offset_show_in_the_labels() -> None:
    def reverse(module: Any) -> None:
        def forward(m: Any, x: Any) -> Any:
            y = m.norm(m.a(x)).relu()
            y = m.b(y).relu() + y.roll(1, 1)
            return m.head(torch.cat([y, m.depthwise(y)], 1).mean((2, 3)))

        module.function = forward

    found = residual()
    narrowed = spoiled(found, reverse)
    proof = verify_module(found.traced, found.coupling, found.alive, narrowed, None)
    assert not proof.ok
    assert any(f.startswith("different channels meet at") for f in proof.replay.failures)


def test_equal_widths_joined_in_the_wrong_order_show_in_the_labels() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.c(torch.cat([m.a(x), m.b(x)], 1))

    def swap(module: Any) -> None:
        module.function = lambda m, x: m.c(torch.cat([m.b(x), m.a(x)], 1))

    parts = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(3, 8, 1), "c": nn.Conv2d(16, 4, 1)}
    found = case(net(forward, **parts), tensor(2, 3, 4, 4))
    proof = found.proof(spoiled(found, swap))
    assert not proof.replay.ok
    assert proof.masked is not None
    assert proof.masked.worst > 1e-3
