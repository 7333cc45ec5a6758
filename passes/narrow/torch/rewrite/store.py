"""Graphs as plain data, for saving: operators by name, nodes by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Reference:
    """Another node of the graph, by its place."""

    place: int


@dataclass(frozen=True)
class Operator:
    """An operator of PyTorch's dispatcher, or a higher-order one, by its name."""

    name: str


@dataclass(frozen=True)
class Stored:
    """One node."""

    op: str
    name: str
    target: Any
    args: Any
    kwargs: Any
    meta: dict[str, Any]


def dumped(graph: Any) -> tuple[Stored, ...]:
    """A graph as data that can be pickled.

    Args:
        graph: An FX graph that calls operators and importable functions.
    """
    places = {node: i for i, node in enumerate(graph.nodes)}

    def refer(argument: Any) -> Any:
        return torch.fx.node.map_arg(argument, lambda node: Reference(places[node]))

    return tuple(
        Stored(
            node.op,
            node.name,
            _named(node.target),
            refer(node.args),
            refer(node.kwargs),
            dict(node.meta),
        )
        for node in graph.nodes
    )


def loaded(nodes: Sequence[Stored]) -> Any:
    """The graph that was dumped."""
    graph = torch.fx.Graph()
    made: list[Any] = []

    def resolve(argument: Any) -> Any:
        return made[argument.place] if isinstance(argument, Reference) else argument

    for stored in nodes:
        args, kwargs = (
            torch.fx.node.map_aggregate(given, resolve) for given in (stored.args, stored.kwargs)
        )
        target = stored.target
        target = _operator(target.name) if isinstance(target, Operator) else target
        node = graph.create_node(stored.op, target, args, dict(kwargs), name=stored.name)
        node.meta.update(stored.meta)
        made.append(node)
    return graph


def _named(target: Any) -> Any:
    if isinstance(target, torch._ops.OpOverload):
        return Operator(f"{target.namespace}.{target._opname}.{target._overloadname}")
    if isinstance(target, torch._ops.HigherOrderOperator):
        return Operator(f"higher_order.{target.name()}")
    return target


def _operator(name: str) -> Any:
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part)
    return found
