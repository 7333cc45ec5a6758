"""Which sides of a network's layers may be narrowed, and what forbids the others.

A layer is a convolution or a matrix product that reads a parameter. Its *in* side is what it
contracts, its *out* side what it produces. A side is *bound* where no compiler could narrow it:
it reads the network's inputs, gives its outputs, or has a single channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from graphprune.groups import Coupling
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.terms import layer_along

_PRODUCERS = ("conv", "conv_transpose", "contract", "lstm", "gru", "rnn")
_BOUND = ("is an input of the graph", "is an output of the graph", "a single channel")


@dataclass(frozen=True)
class Side:
    """One side of one layer.

    Attributes:
        layer: Title of the layer's node.
        kind: What the layer is.
        side: What it contracts or what it produces.
        free: Whether some of its channels may be removed.
        reasons: Why none may; empty for a free side, and for one that nothing explains.
    """

    layer: str
    kind: Literal["conv", "linear"]
    side: Literal["in", "out"]
    free: bool
    reasons: tuple[str, ...] = ()

    @property
    def bound(self) -> bool:
        """Whether the network's own inputs and outputs forbid it."""
        ends = [reason.endswith(_BOUND) for reason in self.reasons]
        return not self.free and bool(ends) and all(ends)


def sides(coupling: Coupling) -> list[Side]:
    """Both sides of every layer, in the order of the network.

    Args:
        coupling: What the couple pass found.
    """
    roots = _Roots(coupling)
    found: list[Side] = []
    for node in coupling.graph.nodes:
        if node.family in ("conv", "conv_transpose"):
            x, y = [(node.inputs[0], 1)], [(node.outputs[0], 1)]
            found += roots.judge(node, "conv", x, y, node.inputs[1])
        elif node.family == "contract":
            operands = [i for i, name in enumerate(node.inputs[:2]) if roots.params(name)]
            if len(operands) == 1:
                found += roots.judge(node, "linear", *_axes(node, operands[0]))
    return found


def _axes(node: Node, weight: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]], str]:
    """Contracted axes of the data, axes of the result that come from the weight, the weight."""
    words, data = letters(node), 1 - weight
    into = [(node.inputs[data], i) for i, x in enumerate(words[data]) if x not in words[2]]
    own = [x for x in words[weight] if x not in words[data]]
    out = [(node.outputs[0], i) for i, x in enumerate(words[2]) if x in own]
    return into, out, node.inputs[weight]


class _Roots:
    """Walks from values back to what decides their channels."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self.values = coupling.graph.values
        self.makers = {name: node for node in coupling.graph.nodes for name in node.outputs}
        self.frozen = {(f.param, f.role): f.reason[-1] for f in coupling.frozen}

    def judge(
        self,
        node: Node,
        kind: Literal["conv", "linear"],
        into: list[tuple[str, int]],
        out: list[tuple[str, int]],
        weight: str,
    ) -> list[Side]:
        """Both sides of one layer."""
        params = self.params(weight)
        verdicts = []
        for side, axes in (("in", into), ("out", out)):
            free = any(layer_along(self.coupling, name, axis) for name, axis in axes)
            reasons: set[str] = set()
            if not free and all(self.values[name].known_shape[axis] == 1 for name, axis in axes):
                reasons = {"a single channel"}
            elif not free:
                reasons = {self.frozen[p, side] for p in params if (p, side) in self.frozen}
                if side == "in" and not reasons:
                    reasons = set(self._reasons(into[0][0]))
            verdicts.append(Side(node.title, kind, side, free, tuple(sorted(reasons))))  # type: ignore[arg-type]
        return verdicts

    def params(self, name: str) -> set[str]:
        """The parameters a value is computed from, if it is from nothing else."""
        found: set[str] = set()
        for root in self._upstream(name, stop=False):
            if self.values[root].kind == "input" or root in self.makers:
                return set()
            if self.values[root].kind == "param":
                found.add(root)
        return found

    def _reasons(self, name: str) -> Iterator[str]:
        """Why a value's channels are fixed, from everything that decides them."""
        for root in self._upstream(name, stop=True):
            maker = self.makers.get(root)
            if self.values[root].kind == "input":
                yield f"'{root}' is an input of the graph"
            elif maker is not None and maker.family == "opaque":
                yield f"{maker.attrs['type']} '{maker.title}': {maker.attrs['reason']}"
            elif maker is not None:
                for param in sorted({p for x in maker.inputs[1:] if x for p in self.params(x)}):
                    if (param, "out") in self.frozen:
                        yield self.frozen[param, "out"]

    def _upstream(self, name: str, *, stop: bool) -> set[str]:
        """Inputs, parameters and opaque results upstream; results of layers too, with ``stop``."""
        todo, seen, roots = [name], {name}, set()
        while todo:
            value = todo.pop()
            maker = self.makers.get(value)
            ends = maker is not None and (
                maker.family == "opaque" or (stop and maker.family in _PRODUCERS)
            )
            if maker is None or ends:
                roots.add(value)
                continue
            fresh = {x for x in maker.inputs if x} - seen
            seen |= fresh
            todo += fresh
        return roots
