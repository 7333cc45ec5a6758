"""Which nodes of a traced graph share memory.

In-place operators need no care beyond that: they compute every element from the elements at its
place, so whoever reads the memory later, by this name or through a view taken earlier, finds
every channel where it was; an operator for which that is not so has no rule, and freezes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_written(argument: Any) -> bool:
    """Whether an operator's schema says that it writes into an argument."""
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


def written(node: Any) -> list[Any]:
    """The operands that a call writes into."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    given = dict(zip((a.name for a in schema.arguments), node.args, strict=False)) | node.kwargs
    return [given[a.name] for a in schema.arguments if is_written(a) and a.name in given]


class Aliases:
    """What the nodes of a graph are views of.

    Attributes:
        mutated: Nodes that memory belongs to which some operator writes into.
    """

    def __init__(self, graph: Any) -> None:
        self._root: dict[Any, Any] = {}
        self.mutated: set[Any] = set()
        self.enter(graph, {})

    def enter(self, graph: Any, given: Mapping[Any, Any]) -> None:
        """Look into another graph.

        Args:
            graph: The body of a region.
            given: The outer node behind each of its placeholders.
        """
        for node in graph.nodes:
            self._root[node] = self.root(given.get(node, node))
            if node.op == "call_function" and node.all_input_nodes and _shares(node.target):
                self._root[node] = self.root(node.all_input_nodes[0])
            self.mutated.update(self.root(operand) for operand in written(node))

    def root(self, node: Any) -> Any:
        """The node whose memory a node is a view of; itself where it has memory of its own."""
        return self._root.get(node, node)

    def same(self, node: Any, other: Any) -> bool:
        """Whether two nodes may share memory."""
        return self.root(node) is self.root(other)


def _shares(target: Any) -> bool:
    """Whether a result may lie in the memory of the first operand."""
    schema = getattr(target, "_schema", None)
    if schema is None:
        return getattr(target, "__name__", "") == "getitem"
    return any(result.alias_info is not None for result in schema.returns)
