"""Which nodes share memory."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch.aliases import Aliases, written  # noqa: E402
from tests.frontends.torch.modules import lowered, tensor  # noqa: E402


def forward(s: Any, x: Any) -> Any:
    y = x * 2
    left, right = y.view(-1).chunk(2)
    left.relu_()
    copy = y.clone()
    return copy + 1, right, s.b[0] + s.b.add_(1)


def test_views_share_and_copies_do_not() -> None:
    nodes = lowered(forward, tensor(2, 4), b=torch.nn.Buffer(tensor(4))).program.graph.nodes
    named = {node.name: node for node in nodes}
    aliases = Aliases(next(iter(nodes)).graph)
    for name in ("mul", "view", "chunk", "getitem", "getitem_1", "relu_"):
        assert aliases.root(named[name]) is named["mul"], name
    assert not aliases.same(named["clone"], named["mul"])
    assert aliases.mutated == {named["mul"], named["b_b"]}
    assert written(named["relu_"]) == [named["getitem"]]
    assert written(named["view"]) == []
