"""The terms of a network's cost: products of dimensions, collected from its graph.

The conventions of counting are those of :mod:`graphprune.cost`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Coupling, Ids, Layer
from graphprune.ir import Node, Value
from graphprune.ir.shapes import letters

METRICS = ("params", "macs", "memory")

Floats = NDArray[np.float64]
# A constant factor and the index of a dimension, whose product is an extent.
Extent = tuple[int, int]
Product = Iterable[Extent]

# Bytes of element types NumPy has no name for; narrower than a byte means packed.
_ITEMSIZE = {"bfloat16": 2.0, "int4": 0.5, "uint4": 0.5, "float4e2m1": 0.5}


@dataclass(frozen=True, eq=False)
class Use:
    """One parameter value, the way the network uses a native tensor.

    Attributes:
        term: Index of its term.
        value: Name of the value.
        shape: Constant factor of each extent: the extent itself where no width changes it.
        dims: Dimension that each extent multiplies its constant factor by.
    """

    term: int
    value: str
    shape: tuple[int, ...]
    dims: tuple[int, ...]

    def is_alike(self, other: Use, dims: Floats) -> bool:
        """Whether both uses have the same extents; a transposed one is still the same tensor."""
        mine = sorted(n * dims[i] for n, i in zip(self.shape, self.dims, strict=True))
        theirs = sorted(n * dims[i] for n, i in zip(other.shape, other.dims, strict=True))
        # Extents are whole numbers where units are alike, but for the last bits.
        return len(mine) == len(theirs) and all(
            abs(one - two) < 1e-6 for one, two in zip(mine, theirs, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms as arrays; ``k`` is the largest number of dimensions that one term multiplies.

    Attributes:
        base: Part of each dimension that no width changes, ``(dims,)``; dimension 0 is always 1.
        slopes: Dimension index, group index and elements a unit, three arrays of equal length.
        elements: Dimension index and unit id of every element of every dimension, ``(2, n)``.
        factors: Constant factor of each term, ``(terms,)``.
        indices: Dimensions each term multiplies, ``(terms, k)``, filled up with dimension 0.
        metrics: Index into :data:`METRICS` of each term, ``(terms,)``.
        nodes: Index of the node each term is charged to, -1 for none, ``(terms,)``.
        twins: (later, earlier) uses of one native tensor with as many elements.
    """

    base: Floats
    slopes: tuple[Ids, Ids, Floats]
    elements: Ids
    factors: Floats
    indices: Ids
    metrics: Ids
    nodes: Ids
    twins: tuple[tuple[Use, Use], ...]


def itemsize(dtype: str) -> float:
    """Bytes of one element; a half for packed four-bit types, 4 for a name nobody knows."""
    if dtype in _ITEMSIZE:
        # First: once ml_dtypes is imported NumPy knows these names too, and counts them unpacked.
        return _ITEMSIZE[dtype]
    try:
        return float(np.dtype(dtype).itemsize)
    except TypeError:
        return 1.0 if dtype.startswith("float8") else 4.0


def add_up(weights: NDArray[np.generic], where: Ids, length: int) -> Floats:
    """Sums of weights by index, ``(length,)``."""
    return np.asarray(np.bincount(where, weights, minlength=length), dtype=np.float64)


def layer_along(coupling: Coupling, value: str, axis: int) -> Layer | None:
    """The layer that narrows one axis of a value, if any does."""
    found = (layer for layer in coupling.layers.get(value, ()) if layer.axis == axis)
    return next(found, None)


def collect(coupling: Coupling) -> Terms:
    """Writes down every term of a network.

    A unit's share of a dimension is the mean over its group: exact where units are alike.
    """
    table = _Table(coupling)
    table.add_nodes()
    table.add_params()
    return table.terms()


class _Term(NamedTuple):
    metric: int
    node: int
    factor: float
    dims: tuple[int, ...]


class _Table:
    """Collects the distinct dimensions of a network and the terms they enter."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self.values = coupling.graph.values
        self.lines: list[Ids] = [np.empty(0, dtype=np.int64)]
        self.known: dict[bytes, int] = {}
        self.dimensions: dict[int, int] = {}
        self.extents: dict[str, tuple[Extent, ...]] = {}
        self.rows: list[_Term] = []
        self.twins: list[tuple[Use, Use]] = []

    def axes(self, name: str) -> tuple[Extent, ...]:
        """The extents of a value."""
        if name not in self.extents:
            found = [(size, 0) for size in self.values[name].known_shape]
            for layer in reversed(self.coupling.layers.get(name, ())):
                found[layer.axis] = (1, self._dimension(layer))
            self.extents[name] = tuple(found)
        return self.extents[name]

    def _dimension(self, layer: Layer) -> int:
        if id(layer) not in self.dimensions:
            at = self.known.setdefault(layer.line.tobytes(), len(self.lines))
            if at == len(self.lines):
                self.lines.append(layer.line)
            self.dimensions[id(layer)] = at
        return self.dimensions[id(layer)]

    def add(self, metric: str, node: int, factor: float, product: Product) -> None:
        """Adds one term."""
        dims = []
        for constant, dim in product:
            factor *= constant
            if dim:
                dims.append(dim)
        self.rows.append(_Term(METRICS.index(metric), node, factor, tuple(dims)))

    def add_nodes(self) -> None:
        """Adds the MACs of every node and the bytes of what it computes."""
        for i, node in enumerate(self.coupling.graph.nodes):
            rule = _RULES.get(node.family)
            if rule is not None and self._is_known(node):
                for product in rule(self, node):
                    self.add("macs", i, 1.0, product)
            for name in filter(None, node.outputs):
                value = self.values[name]
                if value.kind == "computed" and value.shape is not None:
                    self.add("memory", i, itemsize(value.dtype), self.axes(name))

    def _is_known(self, node: Node) -> bool:
        operands = node.inputs[: 3 if node.family in _RECURRENT else 2]
        names = filter(None, (*operands, *node.outputs[:1]))
        return all(self.values[name].shape is not None for name in names)

    def add_params(self) -> None:
        """Adds the elements of every parameter; alike uses of one native tensor once."""
        readers: dict[str, int] = {}
        for i, node in enumerate(self.coupling.graph.nodes):
            for name in node.inputs:
                readers.setdefault(name, i)
        uses: dict[str, list[Use]] = {}
        for value in self.coupling.graph.params:
            if value.shape is not None:
                earlier = uses.setdefault(value.source or value.name, [])
                self._add_use(value, readers.get(value.name, -1), earlier)

    def _add_use(self, value: Value, node: int, earlier: list[Use]) -> None:
        pairs = self.axes(value.name)
        shape, dims = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        if any((use.shape, use.dims) == (shape, dims) for use in earlier):
            return
        here = Use(len(self.rows), value.name, shape, dims)
        size = prod(value.known_shape)
        self.twins += [
            (here, use) for use in earlier if prod(self.values[use.value].known_shape) == size
        ]
        earlier.append(here)
        self.add("params", node, 1.0, pairs)

    def terms(self) -> Terms:
        """Lays the terms out as arrays."""
        width = max([1, *(len(row.dims) for row in self.rows)])
        indices = [row.dims + (0,) * (width - len(row.dims)) for row in self.rows]
        base, slopes, elements = self._dimensions()
        return Terms(
            base=base,
            slopes=slopes,
            elements=elements,
            factors=np.array([row.factor for row in self.rows], dtype=np.float64),
            indices=np.array(indices, dtype=np.int64).reshape(-1, width),
            metrics=np.array([row.metric for row in self.rows], dtype=np.int64),
            nodes=np.array([row.node for row in self.rows], dtype=np.int64),
            twins=tuple(self.twins),
        )

    def _dimensions(self) -> tuple[Floats, tuple[Ids, Ids, Floats], Ids]:
        groups = self.coupling.groups
        owner = np.full(self.coupling.units + 1, len(groups))
        for i, group in enumerate(groups):
            owner[group.units] = i
        ids = np.concatenate(self.lines)
        at = np.repeat(np.arange(len(self.lines)), [len(line) for line in self.lines])
        # Elements of each group (last column: of none) along each dimension.
        columns = len(groups) + 1
        counts = np.bincount(at * columns + owner[ids], minlength=len(self.lines) * columns)
        counts = counts.reshape(-1, columns)
        base = counts[:, -1].astype(np.float64)
        base[0] = 1
        where, group_index = np.nonzero(counts[:, :-1])
        widths = np.array([group.width for group in groups], dtype=np.float64)
        slopes = counts[where, group_index] / widths[group_index]
        return base, (where, group_index, slopes), np.stack([at, ids])


def _conv(table: _Table, node: Node) -> Iterator[Product]:
    # A transposed conv scatters from input positions, a conv gathers at output positions.
    place = node.inputs[0] if node.family == "conv_transpose" else node.outputs[0]
    spatial = table.axes(place)
    yield table.axes(node.inputs[1]) + spatial[:1] + spatial[2:]


def _contract(table: _Table, node: Node) -> Iterator[Product]:
    extents: dict[str, tuple[tuple[int, bool], Extent]] = {}
    for name, word in zip(node.inputs, letters(node)[:2], strict=True):
        sizes, axes = table.values[name].known_shape, table.axes(name)
        for letter, size, extent in zip(word, sizes, axes, strict=True):
            # An extent of 1 is broadcast; of two equal extents the one that may shrink counts.
            weight = (size, extent[1] > 0)
            if letter not in extents or weight > extents[letter][0]:
                extents[letter] = (weight, extent)
    yield [extent for _, extent in extents.values()]


def _recurrent(table: _Table, node: Node) -> Iterator[Product]:
    # Steps and batch are the first two axes of x in either layout.
    x = table.axes(node.inputs[0])[:2]
    for name in node.inputs[1:3]:
        yield table.axes(name) + x


_RECURRENT = ("lstm", "gru", "rnn")
_RULES: dict[str, Callable[[_Table, Node], Iterator[Product]]] = {
    "conv": _conv,
    "conv_transpose": _conv,
    "contract": _contract,
    **dict.fromkeys(_RECURRENT, _recurrent),
}
