"""Graphs as data."""

from __future__ import annotations

import operator
import pickle

import pytest

torch = pytest.importorskip("torch")

from graphprune.passes.narrow.torch.rewrite.store import Operator, dumped, loaded  # noqa: E402


def test_a_graph_comes_back_as_it_was() -> None:
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    parts = graph.call_function(torch.ops.aten.split.Tensor, (x, 2), {"dim": 1})
    graph.create_node("get_attr", "layer.weight", name="weight")
    first = graph.call_function(operator.getitem, (parts, 0))
    first.meta["stack_trace"] = "line 1"
    graph.output((torch.fx.immutable_collections.immutable_list([first, 3]), slice(x, None)))
    stored = dumped(graph)
    assert stored[1].target == Operator("aten.split.Tensor")
    again = loaded(pickle.loads(pickle.dumps(stored)))
    assert str(again) == str(graph)
    assert [node.meta for node in again.nodes] == [node.meta for node in graph.nodes]
