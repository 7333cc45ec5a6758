"""Which sides of a network's layers may be narrowed, and what forbids the others.

A layer is a convolution or a matrix product that reads a parameter. Its *in* side is what it
contracts, its *out* side what it produces. A side is *bound* where no compiler could narrow it:
the network's inputs or outputs fix it, or it has a single channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from graphprune.groups import Coupling
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.terms import layer_along

Kind = Literal["conv", "linear"]
End = Literal["in", "out"]
Axis = tuple[str, int]

_LAYERS = ("conv", "conv_transpose", "contract", "lstm", "gru", "rnn")
_ENDS = ("is an input of the graph", "is an output of the graph")


@dataclass(frozen=True)
class Side:
    """One side of one layer.

    Attributes:
        layer: Title of the layer's node.
        kind: What the layer is.
        end: What it contracts or what it produces.
        free: Whether some of its channels may be removed.
        bound: Whether the network's own inputs and outputs forbid that.
        reasons: Why none may; empty for a free side, and for one that nothing explains.
    """

    layer: str
    kind: Kind
    end: End
    free: bool
    bound: bool = False
    reasons: tuple[str, ...] = ()


def sides(coupling: Coupling) -> list[Side]:
    """Both sides of every layer, in the order of the network.

    Args:
        coupling: What the couple pass found.
    """
    judge = _Judge(coupling)
    found: list[Side] = []
    for node in coupling.graph.nodes:
        weights = [i for i, name in enumerate(node.inputs[:2]) if judge.params(name)]
        if node.family in ("conv", "conv_transpose"):
            x, y = [(node.inputs[0], 1)], [(node.outputs[0], 1)]
            found += [judge(node, "conv", "in", x), judge(node, "conv", "out", y)]
        elif node.family == "contract" and len(weights) == 1:
            into, out = _axes(node, weights[0])
            found += [judge(node, "linear", "in", into), judge(node, "linear", "out", out)]
    return found


def _axes(node: Node, weight: int) -> tuple[list[Axis], list[Axis]]:
    """Contracted axes of the data, and axes of the result that come from the weight."""
    words, data = letters(node), 1 - weight
    into = [(node.inputs[data], i) for i, x in enumerate(words[data]) if x not in words[2]]
    own = [x for x in words[weight] if x not in words[data]]
    return into, [(node.outputs[0], i) for i, x in enumerate(words[2]) if x in own]


class _Judge:
    """Decides whether a side is free, and walks the graph for what forbids it."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self.values = coupling.graph.values
        self.makers = {name: node for node in coupling.graph.nodes for name in node.outputs}
        self.frozen = {(f.param, f.role): f.reason[-1] for f in coupling.frozen}
        self.readers: dict[str, list[Node]] = {}
        for node in coupling.graph.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)

    def __call__(self, node: Node, kind: Kind, end: End, axes: list[Axis]) -> Side:
        """The verdict on one side, whose channels lie along the given axes."""
        if any(layer_along(self.coupling, name, axis) for name, axis in axes):
            return Side(node.title, kind, end, True)
        if all(self.values[name].known_shape[axis] == 1 for name, axis in axes):
            return Side(node.title, kind, end, False, True, ("a single channel",))
        weights = [p for name in node.inputs[:2] for p in self.params(name)]
        reasons = {self.frozen[p, end] for p in weights if (p, end) in self.frozen}
        if not reasons and (end == "in" or self._is_grouped(node)):
            # What a layer reads, and what a depthwise one gives, is decided further up.
            reasons = {r for x in node.inputs[:2] if not self.params(x) for r in self._why(x)}
        bound = bool(reasons) and all(reason.endswith(_ENDS) for reason in reasons)
        bound = bound or (end == "out" and self._is_last(node.outputs[0]))
        return Side(node.title, kind, end, False, bound, tuple(sorted(reasons)))

    def params(self, name: str) -> set[str]:
        """The parameters a value is computed from, if it is from nothing else."""
        roots = self._upstream(name, ())
        if any(root in self.makers or self.values[root].kind == "input" for root in roots):
            return set()
        return {root for root in roots if self.values[root].kind == "param"}

    def _is_grouped(self, node: Node) -> bool:
        return node.family != "contract" and node.int("groups", 1) > 1

    def _is_last(self, name: str) -> bool:
        """Whether no further layer reads a value, directly or not."""
        todo, seen = [name], {name}
        while todo:
            for node in self.readers.get(todo.pop(), ()):
                if node.family in _LAYERS:
                    return False
                fresh = set(node.outputs) - seen
                seen |= fresh
                todo += fresh
        return True

    def _why(self, name: str) -> Iterator[str]:
        """Why a value's channels are fixed, from every layer, input or unknown upstream."""
        for root in self._upstream(name, _LAYERS):
            maker = self.makers.get(root)
            if maker is None:
                if self.values[root].kind == "input":
                    yield f"'{root}' is an input of the graph"
            elif maker.family == "opaque":
                yield f"{maker.attrs['type']} '{maker.title}': {maker.attrs['reason']}"
            else:
                weights = {p for x in maker.inputs if x for p in self.params(x)}
                yield from (self.frozen[p, "out"] for p in weights if (p, "out") in self.frozen)

    def _upstream(self, name: str, stop: tuple[str, ...]) -> set[str]:
        """Values without a maker, and results of opaque and of ``stop`` operations."""
        todo, seen, roots = [name], {name}, set()
        while todo:
            value = todo.pop()
            maker = self.makers.get(value)
            if maker is None or maker.family in ("opaque", *stop):
                roots.add(value)
                continue
            fresh = {x for x in maker.inputs if x} - seen
            seen |= fresh
            todo += fresh
        return roots
