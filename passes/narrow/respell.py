"""Edits, and what respelling an operator needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.onnx.native import Native
from graphprune.groups import Alive, Coupling, Ids, Layer
from graphprune.ir import Node
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.refold import Refold


@dataclass(frozen=True, eq=False)
class SetOperand:
    """Operand ``index`` must hold ``value``."""

    index: int
    value: NDArray[Any]


@dataclass(frozen=True)
class SetAttribute:
    """Attribute ``name`` must be ``value``; None removes it."""

    name: str
    value: int | float | tuple[int, ...] | None


Edit = SetOperand | SetAttribute


@dataclass(frozen=True, eq=False)
class Site:
    """One native operator about to be respelled.

    Attributes:
        node: Its canonical node.
        native: The operator itself.
        coupling: Unit ids of every value.
        alive: Whether each unit lives.
        folded: Contents of folded operands after narrowing.
    """

    node: Node
    native: Native
    coupling: Coupling
    alive: Alive
    folded: Refold

    def old(self, name: str) -> Shape:
        """Shape before."""
        return self.coupling.graph.values[name].known_shape

    def new(self, name: str) -> Shape:
        """Shape after."""
        return self.coupling.shape(name, self.alive)

    def changes(self, name: str) -> bool:
        """Whether a value's shape changes."""
        return self.old(name) != self.new(name)

    def living(self, name: str, axis: int) -> NDArray[np.bool_]:
        """Which indices of an axis survive.

        Raises:
            UnsupportedModel: They differ between rows.
        """
        layer = next((x for x in self.layers(name) if x.axis == axis), None)
        if layer is None:
            return np.ones(self.old(name)[axis], np.bool_)
        lines = self.alive[layer.rectangle()]
        if not (lines == lines[:1]).all():
            raise self.wordless("every row would need other indices")
        return np.asarray(lines[0])

    def counts(self, name: str, axis: int, stops: tuple[int, ...]) -> list[int]:
        """How many indices below each stop survive, the same in every row.

        Raises:
            UnsupportedModel: The counts differ between rows.
        """
        layer = next((x for x in self.layers(name) if x.axis == axis), None)
        if layer is None:
            return list(stops)
        lines = np.cumsum(self.alive[layer.rectangle()], axis=1)
        lines = np.concatenate([np.zeros((lines.shape[0], 1), np.int64), lines], axis=1)
        if not (lines[:, list(stops)] == lines[:1, list(stops)]).all():
            raise self.wordless("every row would need another range")
        return [int(lines[0, stop]) for stop in stops]

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Unit ids of a value."""
        return self.coupling.layers.get(name, ())

    def now(self, index: int) -> Ids:
        """A folded operand's contents after narrowing, flat."""
        return np.asarray(self.folded.now(self.native.operand(index))).ravel().astype(np.int64)

    def wordless(self, why: str) -> UnsupportedModel:
        """The error for what the operator cannot say."""
        return UnsupportedModel(
            f"{self.native.op_type} cannot follow the plan",
            where=self.native.title,
            why=why,
            fix="exclude its channels with --keep",
        )


Respell = Callable[[Site], list[Edit]]
RESPELL: dict[str, Respell] = {}


def respells(*ops: str) -> Callable[[Respell], Respell]:
    """Register how ONNX operators are respelled."""

    def register(function: Respell) -> Respell:
        for op in ops:
            RESPELL[op] = function
        return function

    return register
