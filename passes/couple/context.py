"""The interpreter's state: label layers of every value, and what rules do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphprune.groups import Coupling, Ids, Layer, Mask
from graphprune.ir import Graph, Node
from graphprune.ir.graph import Shape
from graphprune.labels import OUT, Labels

Rule = Callable[["Context", Node], None]
RULES: dict[str, Rule] = {}


def rule(*families: str) -> Callable[[Rule], Rule]:
    """Register the coupling rule of op families.

    Raises:
        ValueError: A family already has one.
    """

    def register(function: Rule) -> Rule:
        for family in families:
            if family in RULES:
                raise ValueError(f"'{family}' has two coupling rules")
            RULES[family] = function
        return function

    return register


@dataclass(frozen=True, eq=False)
class Approximation:
    """Labels whose removal changes a statistic, and which one."""

    ids: Ids
    why: str


@dataclass(eq=False)
class Context:
    """Layers and equalities while the graph is interpreted.

    Attributes:
        graph: What is interpreted.
        labels: The label store.
        choices: Which axis is narrowed where an axis of channels is split, by result name.
        layers: Layers of every value so far.
        original: While a narrowed graph is replayed: what it was narrowed from. An axis of which
            one channel is left looks like any axis of extent 1; the original knows better.
    """

    graph: Graph
    labels: Labels
    choices: dict[str, int] = field(default_factory=dict)
    layers: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    original: Coupling | None = None
    partitions: dict[tuple[Shape, bytes], Ids] = field(default_factory=dict)
    splits: dict[str, tuple[Ids, tuple[int, ...]]] = field(default_factory=dict)
    approximations: list[Approximation] = field(default_factory=list)
    masks: list[Mask] = field(default_factory=list)
    fixed: dict[str, str] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    index: int = 0

    @property
    def node(self) -> Node:
        """The node being interpreted."""
        return self.graph.nodes[self.index]

    def shape(self, name: str) -> Shape:
        """Shape of a value."""
        return self.graph.values[name].known_shape

    def shape_before(self, name: str) -> Shape | None:
        """While replaying: shape of a value in the original."""
        value = self.original.graph.values.get(name) if self.original is not None else None
        return None if value is None else value.shape

    def axis_before(self, name: str, among: Sequence[int]) -> int | None:
        """While replaying: which of some axes of a value the original narrows."""
        layers = self.original.layers.get(name, ()) if self.original is not None else ()
        return next((layer.axis for layer in layers if layer.axis in among), None)

    def is_param(self, name: str) -> bool:
        """Whether a value is a parameter itself."""
        return self.graph.values[name].kind == "param"

    def constant(self, name: str) -> bool:
        """Whether a value is computed from parameters and constants only."""
        return name in self.constants or self.graph.values[name].kind in ("param", "const")

    def of(self, name: str) -> tuple[Layer, ...]:
        """All layers of a value; a parameter gets fresh labels on every axis."""
        if self.is_param(name):
            for axis, size in enumerate(self.shape(name)):
                if size > 1:
                    self.along(name, axis)
        return self.layers.get(name, ())

    def along(self, name: str, axis: int) -> Layer | None:
        """The layer narrowed along an axis; a parameter gets fresh labels for it."""
        for layer in self.layers.get(name, ()):
            if layer.axis == axis:
                return layer
        if not self.is_param(name) or self.shape(name)[axis] == 1:
            return None
        extents = [1] * len(self.shape(name))
        extents[axis] = self.shape(name)[axis]
        return self.bind(name, Layer(self.labels.fresh(name, axis, tuple(extents)), axis))

    def bind(self, name: str, layer: Layer) -> Layer:
        """Give a parameter a layer, or make the one it has along that axis equal to it."""
        for known in self.layers.get(name, ()):
            if known.axis == layer.axis:
                self.equate(known.ids, layer.ids)
                return known
        self.layers[name] = (*self.layers.get(name, ()), layer)
        self._settle(name)
        return layer

    def set(self, name: str, layers: Iterable[Layer | None]) -> None:
        """Give a result its layers.

        Those that are frozen throughout are dropped, except while replaying: what was frozen for
        a reason had labels in the original, and others may have been laid beside them.
        """
        replaying = self.original is not None
        kept = tuple(x for x in layers if x is not None and (replaying or x.ids.any()))
        if name and kept:
            self.layers[name] = kept
            self._settle(name)

    def _settle(self, name: str) -> None:
        """Rows must stay whole: note what has to lose equally many, freeze what cannot."""
        layers = self.layers[name]
        if self.is_param(name):
            return  # a weight's rows are cut one by one; its readers see to the rectangle
        rows = {axis for layer in layers for axis in layer.rows}
        if not rows:
            return
        for layer in layers:
            if layer.axis in rows:
                self.freeze(layer, "its elements are rows of another channel axis")
            elif layer.rows:
                self.partition(layer.rectangle())

    def partition(self, rectangle: Ids) -> None:
        """Every line of a matrix of labels must lose equally many."""
        self.partitions.setdefault((rectangle.shape, rectangle.tobytes()), rectangle)

    def equate(self, left: Ids, right: Ids) -> None:
        """Make labels equal, with broadcasting."""
        self.labels.equate(left, right, self.index)

    def freeze(self, layer: Layer | None, why: str) -> None:
        """Forbid the removal of a layer's elements."""
        if layer is not None:
            self.labels.freeze(layer.ids, self.index, why)

    def freeze_all(self, name: str, why: str) -> None:
        """Forbid the removal of anything of a value."""
        for layer in self.of(name):
            self.freeze(layer, why)

    def tie(self, layer: Layer, axes: Iterable[int]) -> Layer:
        """Make a layer uniform along axes; these get extent 1."""
        ids = layer.ids
        for axis in axes:
            if ids.shape[axis] > 1:
                first = np.take(ids, [0], axis=axis)
                self.equate(ids, first)
                ids = first
        return Layer(ids, layer.axis)

    def choose(self, name: str, sizes: Sequence[int]) -> int:
        """Which of several axes is narrowed: the one with most elements, unless overridden."""
        chosen = self.choices.get(name)
        if chosen is None or chosen >= len(sizes):
            chosen = int(np.argmax(sizes))
            self.choices[name] = chosen
        return chosen

    def out(self, layer: Layer | None) -> None:
        """Mark a layer as produced here."""
        if layer is not None:
            self.labels.mark(layer.ids, OUT)

    def contracted(self, layer: Layer | None, operand: int, mean: bool = False) -> None:
        """Note that an operand's layer is contracted here."""
        if layer is not None:
            self.masks.append(Mask(self.index, operand, layer.axis, mean))

    def approximate(self, layer: Layer, why: str) -> None:
        """Note that narrowing a layer changes a statistic."""
        self.approximations.append(Approximation(layer.ids, f"{why} '{self.node.title}'"))

    def why_fixed(self, name: str) -> str:
        """Why a value has channels that cannot be removed."""
        return self.fixed.get(name, f"'{name}' has fixed channels")
