"""Registry of respelling rules, and what a rule needs to know about one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch.call import Call
from graphprune.groups import Layer
from graphprune.ir import Node
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.torch.rewrite.plan import Planned


@dataclass(frozen=True, eq=False)
class Table:
    """Indices with known contents; they become a buffer of the narrowed module.

    Attributes:
        contents: The numbers.
        like: The node of the original on whose device they lie.
    """

    contents: NDArray[np.int64]
    like: Any


@dataclass(frozen=True, eq=False)
class Attribute:
    """An argument that is an attribute of a tensor while the module runs.

    Attributes:
        node: The tensor, a node of the original graph.
        name: ``dtype`` or ``device``.
    """

    node: Any
    name: str


@dataclass(frozen=True, eq=False)
class Spelling:
    """How a call is written in the narrowed graph.

    Attributes:
        arguments: Arguments by the schema's names that replace or complete the given ones. Nodes
            are those of the original graph.
        target: Another operator to call, with these arguments and no others; None for the same.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None


@dataclass(frozen=True, eq=False)
class Site:
    """One call of the traced graph about to be respelled.

    Attributes:
        call: Its arguments by name.
        planned: Shapes before and after.
        canonical: The nodes of the canonical graph that the call was lowered to.
    """

    call: Call
    planned: Planned
    canonical: tuple[Node, ...] = ()

    @property
    def node(self) -> Any:
        """The FX node; also the place of its result where it has one."""
        return self.call.node

    @property
    def arguments(self) -> Mapping[str, Any]:
        """All arguments by name."""
        return self.call.arguments

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The arguments that the call writes down."""
        schema = self.node.target._schema.arguments
        names = [argument.name for argument in schema]
        return dict(zip(names, self.node.args, strict=False)) | dict(self.node.kwargs)

    def old(self, node: Any = None) -> Shape:
        """Shape of a node, of the result where none is named, before."""
        return self.planned.old(self.node if node is None else node)

    def new(self, node: Any = None) -> Shape:
        """Shape of a node, of the result where none is named, after."""
        return self.planned.new(self.node if node is None else node)

    def changes(self, *nodes: Any) -> bool:
        """Whether the shape of any of some nodes changes; of the result where none is named."""
        return any(self.old(node) != self.new(node) for node in nodes or (self.node,))

    def operand(self, *names: str) -> Any:
        """The node of the first of some tensor arguments that is given, or None."""
        return self.call.operand(*names)

    def layer(self, node: Any, axis: int) -> Layer | None:
        """Unit ids of a node along an axis, None where nothing of it can be removed."""
        return next((x for x in self.planned.layers(node) if x.axis == axis), None)

    def living(self, node: Any, axis: int) -> NDArray[np.bool_]:
        """Which indices of an axis survive.

        Raises:
            UnsupportedModel: They differ between rows, or there are new ones between them.
        """
        layer = self.layer(node, axis)
        if layer is None:
            return np.ones(self.old(node)[axis], np.bool_)
        lines = self.planned.alive[layer.rectangle()]
        if not (lines == lines[:1]).all():
            raise self.wordless("every row would need other indices")
        if lines.max() > 1:
            raise self.wordless("new channels have no place in an order that is written down")
        return np.asarray(lines[0], np.bool_)

    def counts(self, node: Any, axis: int, stops: Sequence[int]) -> list[int]:
        """How many indices below each stop survive, the same in every row.

        Raises:
            UnsupportedModel: The counts differ between rows.
        """
        layer = self.layer(node, axis)
        if layer is None:
            return list(stops)
        lines = np.cumsum(self.planned.alive[layer.rectangle()], axis=1)
        lines = np.concatenate([np.zeros((lines.shape[0], 1), np.int64), lines], axis=1)
        if not (lines[:, list(stops)] == lines[:1, list(stops)]).all():
            raise self.wordless("every row would need another range")
        return [int(lines[0, stop]) for stop in stops]

    def extents(self, given: Sequence[Any], wanted: Shape, free: bool = False) -> list[Any]:
        """Extents spelled anew where they no longer hold; what is symbolic stays so.

        Args:
            given: Numbers, nodes of symbolic ones, and -1 for what follows from the rest.
            wanted: What they must come to.
            free: Whether -1 may stand for an extent that follows from the number of elements.

        Raises:
            UnsupportedModel: A symbolic extent would have to be another one.
        """
        spelled = list(given)
        for i, (extent, size) in enumerate(zip(given, wanted, strict=True)):
            now = self.planned.number(extent)
            if now in (size, -1):
                continue
            spelled[i] = size if isinstance(extent, int) else -1
        open_ = [i for i, extent in enumerate(spelled) if isinstance(extent, int) and extent == -1]
        fresh = [i for i in open_ if hasattr(given[i], "meta")]
        if fresh and (not free or len(fresh) > 1):
            raise self.wordless("an extent computed from a dynamic dimension would have to change")
        if fresh and len(open_) > 1:
            for i in set(open_) - set(fresh):
                if not self.planned.is_fixed(self.node, i):
                    raise self.wordless("two dynamic extents follow from the rest")
                spelled[i] = wanted[i]
        return spelled

    def wordless(self, why: str) -> UnsupportedModel:
        """The error for what the operator cannot say."""
        return self.planned.wordless(self.node, why)


Respell = Callable[[Site], Spelling | None]
RESPELL: dict[str, Respell] = {}


def respells(*ops: str) -> Callable[[Respell], Respell]:
    """Register how PyTorch operators are respelled, all overloads included.

    A rule gives None where the call holds in the narrowed graph as it stands.

    Args:
        ops: Names without overload, with a namespace before ``::`` unless it is ``aten``.

    Raises:
        ValueError: An operator already has a rule.
    """

    def register(function: Respell) -> Respell:
        for op in ops:
            if op in RESPELL:
                raise ValueError(f"'{op}' is respelled twice")
            RESPELL[op] = function
        return function

    return register
