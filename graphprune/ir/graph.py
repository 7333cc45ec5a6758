"""Graph, Node and Value: a small, frozen description of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Attr = int | float | str | bool | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
Kind = Literal["input", "param", "const", "computed"]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor of the graph.

    Attributes:
        name: Unique within the graph.
        shape: Concrete extents, or None where no rule could tell them.
        dtype: NumPy's name of the element type.
        kind: ``input`` of the graph, ``param`` (narrowable contents held by the model), ``const``
            (contents that are known and never narrowed by slicing) or ``computed``.
        const: Contents where they are known (shape arithmetic, indices), else None.
        source: For a param, the native tensor's name; several uses may share one source.
    """

    name: str
    shape: Shape | None
    dtype: str = "float32"
    kind: Kind = "computed"
    const: NDArray[np.generic] | None = None
    source: str = ""

    @property
    def known_shape(self) -> Shape:
        """The shape of a value that is known to have one.

        Raises:
            ValueError: The shape is unknown.
        """
        if self.shape is None:
            raise ValueError(f"the shape of '{self.name}' is not known")
        return self.shape


@dataclass(frozen=True, eq=False)
class Node:
    """One canonical operation.

    Attributes:
        op: A name of :data:`graphprune.ir.ops.OPS`, a family member after a dot.
        inputs: Value names; the empty string stands for an omitted operand.
        outputs: Value names; the empty string stands for an unused result.
        attrs: Sorted, hashable attributes.
        origin: Indices of the native operations this node was lowered from.
        label: How the native operation is called in messages.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    origin: tuple[int, ...] = ()
    label: str = ""

    @property
    def family(self) -> str:
        """The part of the op's name before the dot: what rules are registered for."""
        return self.op.partition(".")[0]

    @property
    def title(self) -> str:
        """The native name, or the first result's where there is none."""
        return self.label or next((name for name in self.outputs if name), self.op)

    def ints(self, name: str) -> tuple[int, ...]:
        """An attribute that is a tuple of integers; empty where absent."""
        value = self.attrs.get(name, ())
        return tuple(int(v) for v in value) if isinstance(value, tuple) else ()

    def int(self, name: str, default: int = 0) -> int:
        """An attribute that is one integer."""
        value = self.attrs.get(name, default)
        if isinstance(value, tuple | str):
            raise ValueError(f"attribute '{name}' of {self.title} is not an integer")
        return int(value)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as an ordered list of canonical operations.

    Attributes:
        values: Every tensor by name.
        nodes: In an order in which every operand is computed before it is read.
        inputs: Names of the graph inputs that are not parameters.
        outputs: Names of the graph outputs.
    """

    values: Mapping[str, Value]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def params(self) -> tuple[Value, ...]:
        """The parameters, in the order they were lowered."""
        return tuple(v for v in self.values.values() if v.kind == "param")
