"""What coupling found: which channels live and die together, and what may not be touched.

A *unit* is the smallest removable thing; unit ids are positive, 0 stands for frozen. A *group*
is a matrix of units, ``(rows, width)``: a plan keeps as many units in every row. Most groups have
one row; grouped convolutions and attention heads that must stay rectangular have one row per
convolution group or head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphprune.ir import Graph

Ids = NDArray[np.int64]
Alive = NDArray[np.bool_]
Copies = NDArray[np.int64]
# What stands for each unit afterwards: itself or nothing; or, in a network that is rebuilt wider,
# as many channels as the number says.
Left = Alive | Copies


@dataclass(frozen=True, eq=False)
class Layer:
    """Which unit each element of a tensor belongs to, along one axis that may be narrowed.

    Attributes:
        ids: Integers that broadcast to the tensor's shape (extent 1 where they do not vary).
        axis: The axis along which elements are removed. Where ``ids`` varies along other axes too
            these are *rows*: every row loses equally many elements.
    """

    ids: Ids
    axis: int

    @property
    def rows(self) -> tuple[int, ...]:
        """Axes other than :attr:`axis` along which the ids vary."""
        if self.ids.size == self.ids.shape[self.axis]:
            return ()
        return tuple(i for i, n in enumerate(self.ids.shape) if n > 1 and i != self.axis)

    @property
    def line(self) -> Ids:
        """The ids along the narrowed axis; those of the first row where there are several."""
        if not self.rows:
            return self.ids.reshape(-1)
        return self.ids[tuple(slice(None) if i == self.axis else 0 for i in range(self.ids.ndim))]

    def rectangle(self) -> Ids:
        """The ids as a matrix: one line per row, elements along the narrowed axis."""
        if not self.rows:
            return self.line[None, :]
        moved = np.moveaxis(self.ids, self.axis, -1)
        return np.ascontiguousarray(moved).reshape(-1, self.ids.shape[self.axis])

    def extent(self, alive: Left) -> int:
        """How many elements are left along the axis (the first row speaks for all).

        Args:
            alive: Whether each unit lives, or how many stand for it, indexed by unit id.
        """
        return int(alive[self.line].sum())


@dataclass(frozen=True, eq=False)
class Member:
    """One axis of one parameter that belongs to a group.

    Attributes:
        param: Name of the parameter value in the graph.
        axis: The narrowed axis.
        role: ``out`` for what produces the channels, ``in`` for what contracts them, ``scale`` for
            per-channel parameters in between (norms, biases, gains).
    """

    param: str
    axis: int
    role: str

    def __str__(self) -> str:
        return f"{self.param}.{self.axis}"


@dataclass(frozen=True, eq=False)
class Group:
    """Units that touch the same parameter axes.

    Attributes:
        name: ``g1``, ``g2`` … in the order of the network.
        units: Unit ids, ``(rows, width)``.
        members: The parameter axes the units hold indices of.
        approximate: Why narrowing this group is not exact (normalisations whose statistics
            change); empty for exact groups.
    """

    name: str
    units: Ids
    members: tuple[Member, ...]
    approximate: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Number of widths to choose from: units in one row."""
        return int(self.units.shape[1])

    @property
    def rows(self) -> int:
        """Number of rows that lose equally many units."""
        return int(self.units.shape[0])

    @property
    def exact(self) -> bool:
        """Whether the narrowed network equals the masked original to rounding."""
        return not self.approximate

    def __str__(self) -> str:
        """One line: ``g1[16] wa.0 wb.1``, with rows ``g1[4x16]``, approximate ones with ``~``."""
        size = f"{self.rows}x{self.width}" if self.rows > 1 else str(self.width)
        parts = [f"{self.name}[{size}]", *map(str, self.members)]
        return " ".join([*parts, *(f"~ {why}" for why in self.approximate)])


@dataclass(frozen=True, eq=False)
class Frozen:
    """A parameter axis that may not be narrowed, and why.

    Attributes:
        param: Name of the parameter value.
        axis: The axis.
        width: Its extent.
        role: As in :class:`Member`.
        reason: The chain of operations from the parameter to what froze it.
        partial: How many of the axis's indices are frozen (others may belong to groups).
    """

    param: str
    axis: int
    width: int
    role: str
    reason: tuple[str, ...]
    partial: int

    def __str__(self) -> str:
        """One line: ``frozen wa.0[16] y -> 'y' is an output of the graph``."""
        some = f"{self.partial} of " if self.partial < self.width else ""
        return f"frozen {self.param}.{self.axis}[{some}{self.width}] {' -> '.join(self.reason)}"


@dataclass(frozen=True)
class Mask:
    """A contracted axis of an operand: where dead elements are multiplied by zero.

    Attributes:
        node: Index of the node.
        operand: Index of its operand.
        axis: The contracted axis of that operand.
        mean: Whether the node divides by the extent of the axis.
    """

    node: int
    operand: int
    axis: int
    mean: bool = False


@dataclass(frozen=True, eq=False)
class Coupling:
    """The result of the couple pass.

    Attributes:
        graph: The graph that was interpreted.
        groups: What may be narrowed.
        frozen: What may not, with reasons.
        layers: For every value, the unit ids of its elements; a value without an entry has no
            removable element. Equal layers of several values are one object, so what is asked
            of a layer need be found once only.
        units: Number of units; ids run from 1 to this number.
        masks: Contracted operands: where the masked-consumer oracle multiplies dead elements
            by zero.
        choices: Which axis is narrowed at every split, by result name (replay repeats them).
    """

    graph: Graph
    groups: tuple[Group, ...]
    frozen: tuple[Frozen, ...]
    layers: Mapping[str, tuple[Layer, ...]]
    units: int
    masks: tuple[Mask, ...] = ()
    choices: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def group(self, name: str) -> Group:
        """The group called ``name``.

        Raises:
            KeyError: There is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    def text(self) -> str:
        """One line a group, then one a frozen axis."""
        return "\n".join(map(str, (*self.groups, *self.frozen)))

    def everything(self) -> Alive:
        """The mask in which every unit lives."""
        return np.ones(self.units + 1, dtype=np.bool_)

    def shape(self, value: str, alive: Left) -> tuple[int, ...]:
        """The shape of a value once the dead units are removed.

        Args:
            value: Name of a value whose shape is known.
            alive: Whether each unit lives, or how many stand for it, indexed by unit id (0 must
                live).
        """
        shape = list(self.graph.values[value].known_shape)
        for layer in self.layers.get(value, ()):
            shape[layer.axis] = layer.extent(alive)
        return tuple(shape)

    def losses(self, alive: Alive) -> dict[str, tuple[int, ...]]:
        """The values that lose elements, and their shapes once the dead units are removed.

        Args:
            alive: Whether each unit lives, indexed by unit id (0 must live).
        """
        distinct = {id(layer): layer for layers in self.layers.values() for layer in layers}
        dead = {key for key, layer in distinct.items() if not alive[layer.ids].all()}
        extents = {key: distinct[key].extent(alive) for key in dead}
        found = {}
        for name, layers in self.layers.items():
            if any(id(layer) in dead for layer in layers):
                shape = list(self.graph.values[name].known_shape)
                for layer in layers:
                    shape[layer.axis] = extents.get(id(layer), shape[layer.axis])
                found[name] = tuple(shape)
        return found
