"""What the plan makes of the nodes of a traced graph: shapes and numbers, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule, hints
from graphprune.groups import Coupling, Layer, Left
from graphprune.ir import Node, Value
from graphprune.ir.graph import Shape

Number = int | float | bool


@dataclass(frozen=True, eq=False)
class Planned:
    """A traced module and which of its units live.

    Attributes:
        traced: The original.
        coupling: Of its graph.
        alive: Whether each unit lives, or how many stand for it.
    """

    traced: TracedModule
    coupling: Coupling
    alive: Left

    def value(self, node: Any) -> Value | None:
        """The value that a node stands for, None where coupling knows of none."""
        return self.coupling.graph.values.get(self.traced.values.get(node, ""))

    def layers(self, node: Any) -> tuple[Layer, ...]:
        """Unit ids of a node's elements."""
        return self.coupling.layers.get(self.traced.values.get(node, ""), ())

    def old(self, node: Any) -> Shape:
        """Shape before, with the sizes of the example inputs; empty where it is not known."""
        return hints.shape(node.meta["val"]) or ()

    def new(self, node: Any) -> Shape:
        """Shape after."""
        value = self.value(node)
        if value is None or value.shape is None:
            return self.old(node)
        return self.coupling.shape(value.name, self.alive)

    def is_fixed(self, node: Any, axis: int) -> bool:
        """Whether an extent was a literal in the traced graph."""
        return isinstance(node.meta["val"].shape[axis], int)

    @cached_property
    def canonical(self) -> Mapping[int, tuple[Node, ...]]:
        """Nodes of the canonical graph by the place of the traced call they end at."""
        found: dict[int, tuple[Node, ...]] = {}
        for node in self.coupling.graph.nodes:
            place = node.origin[-1]
            found[place] = (*found.get(place, ()), node)
        return found

    @cached_property
    def place(self) -> Mapping[Any, int]:
        """The place of every node in the traced graph."""
        return {node: i for i, node in enumerate(self.traced.nodes)}

    @cached_property
    def _numbers(self) -> dict[Any, Number | None]:
        return {}

    def number(self, argument: Any) -> Number | None:
        """What a number comes to in the narrowed graph; None where tensors' contents decide."""
        if not hasattr(argument, "meta"):
            return argument if isinstance(argument, int | float) else None
        if argument not in self._numbers:
            self._numbers[argument] = self._computed(argument)
        return self._numbers[argument]

    def moves(self, argument: Any) -> bool:
        """Whether a number is another one in the narrowed graph."""
        before = hints.number(argument.meta.get("val"))
        return before is not None and self.number(argument) != before

    def _computed(self, node: Any) -> Number | None:
        before: Number | None = hints.number(node.meta.get("val"))
        tensors = [n for n in node.all_input_nodes if isinstance(n.meta.get("val"), torch.Tensor)]
        if node.op != "call_function" or before is None:
            return before
        name = getattr(getattr(node.target, "_schema", None), "name", "")
        if name == "aten::sym_size" and len(node.args) > 1:
            axis: int = node.args[1]
            return self.new(node.args[0])[axis]
        if name in ("aten::sym_numel", "aten::numel"):
            return prod(self.new(node.args[0]))
        if tensors:
            return before
        now = [self.number(n) for n in node.all_input_nodes]
        if None in now:
            return before
        given = dict(zip(node.all_input_nodes, now, strict=True))
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
        found: Number = node.target(*args, **kwargs)
        return found

    def wordless(self, node: Any, why: str) -> UnsupportedModel:
        """The error for a call that has no words for what the plan wants.

        Args:
            node: The call.
            why: What it cannot say.
        """
        return UnsupportedModel(
            f"{_operator(node)} cannot follow the plan",
            where=_where(node),
            why=why,
            fix="exclude its channels with --keep",
        )


def _operator(node: Any) -> str:
    schema = getattr(node.target, "_schema", None)
    return str(schema.name if schema is not None else getattr(node.target, "__name__", node.op))


def module_path(node: Any) -> str | None:
    """The path of the sub-module that a call was traced in, None where that is not recorded."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack or stack[-1][0].startswith("_empty"):
        return None
    return str(stack[-1][0]).partition("@")[0]


def _where(node: Any) -> str:
    """The node, the module it belongs to, and the line of source."""
    path = module_path(node)
    text = f"'{node.name}'" + (f" in '{path}'" if path else "")
    lines = [x.strip() for x in (node.meta.get("stack_trace") or "").strip().splitlines()]
    return "\n".join([text, *lines[-2:]])
