"""Running a network without its nonlinearities, forwards and backwards.

Conventions, after SynFlow (Tanaka et al., "Pruning neural networks without any data by
iteratively conserving synaptic flow", NeurIPS 2020, section 5):

* Every input but indices is all ones; the result is the sum over all outputs.
* Nonlinearities, norms and whatever adds or multiplies constants are bypassed; differences count
  as sums, because weights stand for magnitudes. The largest of a window counts as their mean.
* Of two activations that are multiplied one carries and one gates (see
  :func:`graphprune.passes.linearise.gates`): a gate counts as one. Attention weights count as
  equal shares.

So every path from input to output counts as the product of the weights along it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.ir import Graph, Node
from graphprune.ir.graph import Shape
from graphprune.passes.linearise.gates import carrying, constants, gates
from graphprune.passes.linearise.weights import weights
from graphprune.terms import Floats

Arrays = Sequence[Floats | None]
Contents = Mapping[str, NDArray[Any]] | Callable[[str], NDArray[Any]]
Pull = Callable[[Sequence[Floats]], Arrays]


class Step(NamedTuple):
    """One node that is run.

    Attributes:
        node: The operation.
        operands: Their contents; None for constants and for gates, which are bypassed.
        shapes: Shapes of the results.
        gate: Index of the operand that is a gate, -1 where there is none.
        inputs: Shapes of the operands.
        constants: Contents of the operands where the graph itself knows them.
    """

    node: Node
    operands: Arrays
    shapes: Sequence[Shape]
    gate: int
    inputs: Sequence[Shape]
    constants: Sequence[NDArray[np.generic] | None]

    @property
    def first(self) -> Floats:
        """The first operand."""
        return self.operand(0)

    def operand(self, index: int) -> Floats:
        """An operand that has to carry something.

        Raises:
            UnsupportedModel: It is a constant, or computed from weights.
        """
        found = self.operands[index]
        if found is None:
            raise self.unsupported("it reads what is neither an activation nor a weight")
        return found

    def unsupported(self, why: str) -> UnsupportedModel:
        """The error that names this node.

        Args:
            why: What cannot be linearised about it.
        """
        return UnsupportedModel(
            f"'{self.node.op}' cannot be linearised",
            where=self.node.title,
            why=why,
            fix="a rule for it belongs into graphprune/passes/linearise",
        )


class Linear(NamedTuple):
    """Results of one node, and how their gradients become those of its operands.

    Attributes:
        results: One an output.
        pull: Maps the gradients of the results to those of the operands.
    """

    results: Sequence[Floats]
    pull: Pull


# Element types of inputs that carry: images may come quantised, other integers are indices.
_REAL = ("float", "bfloat", "int8", "uint8")

Rule = Callable[[Step], Linear]
RULES: dict[str, Rule] = {}


def rule(*families: str) -> Callable[[Rule], Rule]:
    """Registers the rule of op families.

    Args:
        *families: Names of :data:`graphprune.ir.ops.OPS`.
    """

    def register(function: Rule) -> Rule:
        for family in families:
            if family in RULES:
                raise ValueError(f"a rule for '{family}' is registered twice")
            RULES[family] = function
        return function

    return register


@dataclass(eq=False)
class Flow:
    """A linearised network that was run.

    Attributes:
        graph: The network.
        values: What every node gave, by value name; constants and gates are missing.
        pulls: How gradients go back, one for each node that was run, in order.
    """

    graph: Graph
    values: dict[str, Floats] = field(default_factory=dict)
    pulls: list[tuple[Node, Pull]] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The sum over all outputs: over all paths, the products of the weights along them."""
        return float(sum(self.values[name].sum() for name in self._ends()))

    def _ends(self) -> list[str]:
        found = [name for name in dict.fromkeys(self.graph.outputs) if name in self.values]
        if not found:
            raise UnsupportedModel(
                "no path leads from an input to an output",
                why="looked-up and constant values carry nothing",
            )
        return found

    def gradients(self) -> dict[str, Floats]:
        """The derivative of :attr:`total` by every value, in the value's shape.

        Returns:
            By name of the value: among them those of the weights.
        """
        found = {name: np.ones_like(self.values[name]) for name in self._ends()}
        for node, pull in reversed(self.pulls):
            if not any(name in found for name in node.outputs):
                continue
            given = [found.get(n, np.zeros_like(self.values[n])) for n in node.outputs if n]
            for name, gradient in zip(node.inputs, pull(given), strict=True):
                if gradient is not None:
                    found[name] = found[name] + gradient if name in found else gradient
        return found


def flow(graph: Graph, contents: Contents) -> Flow:
    """Runs a network without its nonlinearities.

    Args:
        graph: The network.
        contents: The weights by name of their parameter values, in these values' shapes: any
            numbers that are not negative. Only those that
            :func:`graphprune.passes.linearise.weights` finds outside gates are asked for.

    Raises:
        UnsupportedModel: An operation has no linear counterpart; the message names it.
    """
    lookup = contents.__getitem__ if isinstance(contents, Mapping) else contents
    found = Flow(graph)
    for name in graph.inputs:
        value = graph.values[name]
        if value.shape is not None and value.dtype.startswith(_REAL):
            found.values[name] = np.ones(value.shape)
    for name in dict.fromkeys(w.param for w in weights(graph) if not w.gated):
        found.values[name] = np.asarray(lookup(name), dtype=np.float64)
    gated, wanted, steady = gates(graph), carrying(graph), constants(graph)
    for i, node in enumerate(graph.nodes):
        if i in wanted and any(name in found.values for name in node.inputs):
            _run(found, node, gated.get(i, -1), steady)
    return found


def _run(found: Flow, node: Node, gate: int, steady: frozenset[str]) -> None:
    values = found.graph.values
    if node.family in ("conv", "conv_transpose", "contract") and steady.issuperset(node.outputs):
        return  # a product of weights alone: what reads it says so
    operands = [None if i == gate else found.values.get(n) for i, n in enumerate(node.inputs)]
    if all(operand is None for operand in operands):
        return
    names = [name for name in node.outputs if name]
    shapes = [values[name].shape for name in names]
    inputs = [values[name].shape if name else () for name in node.inputs]
    known = [values[name].const if name else None for name in node.inputs]
    step = Step(node, operands, [s or () for s in shapes], gate, [s or () for s in inputs], known)
    if node.family not in RULES or None in (*shapes, *inputs):
        raise step.unsupported(str(node.attrs.get("reason", "no rule says what it does to flow")))
    done = RULES[node.family](step)
    found.values.update(zip(names, done.results, strict=True))
    found.pulls.append((node, done.pull))
