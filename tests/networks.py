"""Small couplings written by hand, so that cost, plan and the passes are tested on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Alive, Coupling, Group, Ids, Layer, Member
from graphprune.ir import Attr, Graph, Node, Value
from graphprune.ir.graph import Shape


@dataclass
class Net:
    """Builds a graph and its coupling side by side; layers are given as ``{axis: unit ids}``."""

    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    layers: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    units: int = 0

    def group(self, shape: int | tuple[int, int], *members: str) -> Ids:
        """Adds a group; members are written ``param.axis.role``."""
        rows, width = (1, shape) if isinstance(shape, int) else shape
        ids = np.arange(rows * width, dtype=np.int64).reshape(rows, width) + self.units + 1
        self.units += rows * width
        parsed = (member.rsplit(".", 2) for member in members)
        self.groups.append(
            Group(
                f"g{len(self.groups) + 1}",
                ids,
                tuple(Member(param, int(axis), role) for param, axis, role in parsed),
            )
        )
        return ids if rows > 1 else ids[0]

    def value(
        self,
        name: str,
        shape: Shape | None,
        layers: Mapping[int, Ids] | None = None,
        *,
        kind: str = "computed",
        source: str = "",
        dtype: str = "float32",
    ) -> str:
        """Adds a value; ids of rank 1 lie along their axis, others have the value's rank."""
        made = []
        for axis, ids in (layers or {}).items():
            if ids.ndim == 1:
                ids = ids.reshape([-1 if i == axis else 1 for i in range(len(shape or ()))])
            made.append(Layer(ids, axis))
        if made:
            self.layers[name] = tuple(made)
        self.values[name] = Value(name, shape, dtype, kind, None, source)  # type: ignore[arg-type]
        return name

    def param(
        self, name: str, shape: Shape, layers: Mapping[int, Ids] | None = None, source: str = ""
    ) -> str:
        """Adds a parameter."""
        return self.value(name, shape, layers, kind="param", source=source or name)

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        shape: Shape | None,
        layers: Mapping[int, Ids] | None = None,
        **attrs: Attr,
    ) -> str:
        """Adds an operation and its result."""
        self.nodes.append(Node(op, tuple(inputs), (self.value(output, shape, layers),), attrs))
        return output

    def coupling(self) -> Coupling:
        """The finished network: inputs are what no node computes, the output is the last value."""
        inputs = tuple(v.name for v in self.values.values() if v.kind == "input")
        graph = Graph(self.values, tuple(self.nodes), inputs, self.nodes[-1].outputs)
        return Coupling(graph, tuple(self.groups), (), self.layers, self.units)

    def conv(
        self,
        x: str,
        name: str,
        filters: int,
        kernel: int,
        out: Ids | None = None,
        into: Ids | None = None,
    ) -> str:
        """Adds a conv with padding: its weight ``<name>.weight`` and its result ``name``."""
        batch, channels, high, wide = self.values[x].known_shape
        layers = {i: ids for i, ids in enumerate((out, into)) if ids is not None}
        w = self.param(f"{name}.weight", (filters, channels, kernel, kernel), layers)
        act = {1: out} if out is not None else None
        return self.node("conv", (x, w), name, (batch, filters, high, wide), act)


def chain(*widths: int, kernel: int = 3, size: int = 6) -> Coupling:
    """Convs in a row: one group a width, and a frozen last conv with 3 filters."""
    net = Net()
    x, ids = net.value("x", (1, 3, size, size), kind="input"), None
    for i, width in enumerate(widths):
        out = net.group(width, f"c{i}.weight.0.out", f"c{i}.bias.0.scale", f"c{i + 1}.weight.1.in")
        x = net.conv(x, f"c{i}", width, kernel, out, ids)
        bias = net.param(f"c{i}.bias", (width,), {0: out})
        x = net.node("pointwise.add", (x, bias), f"r{i}", net.values[x].shape, {1: out})
        ids = out
    net.conv(x, f"c{len(widths)}", 3, kernel, None, ids)
    return net.coupling()


def residual(width: int = 8) -> Coupling:
    """Two convs whose results are added: two producers of one group; ``inner`` is another."""
    net = Net()
    x = net.value("x", (2, 3, 5, 5), kind="input")
    trunk = net.group(width, "a.weight.0.out", "c.weight.0.out", "b.weight.1.in", "d.weight.1.in")
    inner = net.group(width, "b.weight.0.out", "c.weight.1.in")
    a = net.conv(x, "a", width, 3, trunk)
    b = net.conv(a, "b", width, 3, inner, trunk)
    c = net.conv(b, "c", width, 1, trunk, inner)
    s = net.node("pointwise.add", (a, c), "s", net.values[a].shape, {1: trunk})
    net.conv(s, "d", 4, 1, None, trunk)
    return net.coupling()


def depthwise(width: int = 6) -> Coupling:
    """A depthwise conv between two dense ones: one group."""
    net = Net()
    x = net.value("x", (1, 2, 4, 4), kind="input")
    ids = net.group(width, "a.weight.0.out", "dw.weight.0.out", "b.weight.1.in")
    a = net.conv(x, "a", width, 1, ids)
    w = net.param("dw.weight", (width, 1, 3, 3), {0: ids})
    dw = net.node("conv", (a, w), "dw", (1, width, 4, 4), {1: ids}, groups=width)
    net.conv(dw, "b", 5, 1, None, ids)
    return net.coupling()


def two_rows(width: int = 4) -> Coupling:
    """A grouped conv that loses the same number of channels in both of its groups."""
    net = Net()
    x = net.value("x", (1, 3, 4, 4), kind="input")
    ids = net.group((2, width), "a.weight.0.out", "grouped.weight.1.in")
    a = net.conv(x, "a", 2 * width, 1, ids.ravel())
    rows = np.repeat(ids, 3, axis=0)[:, :, None, None]
    w = net.param("grouped.weight", (6, width, 3, 3), {1: rows})
    net.node("conv", (a, w), "grouped", (1, 6, 4, 4), None, groups=2)
    return net.coupling()


def concat(one: int = 4, other: int = 6) -> Coupling:
    """Two convs whose results are concatenated: an axis that mixes two groups and frozen ids."""
    net = Net()
    x = net.value("x", (1, 3, 4, 4), kind="input")
    left = net.group(one, "a.weight.0.out", "c.weight.1.in")
    right = net.group(other, "b.weight.0.out", "c.weight.1.in")
    a, b = net.conv(x, "a", one, 1, left), net.conv(x, "b", other, 1, right)
    both = np.concatenate([left, right, np.zeros(3, dtype=np.int64)])
    cat = net.node("concat", (a, b, x), "cat", (1, len(both), 4, 4), {1: both}, axis=1)
    net.conv(cat, "c", 5, 1, None, both)
    return net.coupling()


def unlike() -> Coupling:
    """A group whose first unit holds seven elements of the consumer, the others one each."""
    net = Net()
    x = net.value("x", (1, 3), kind="input")
    ids = net.group(4, "a.weight.0.out", "b.weight.0.in")
    wa = net.param("a.weight", (4, 3), {0: ids})
    a = net.node("contract", (x, wa), "a", (1, 4), {1: ids}, equation="ab,cb->ac")
    spread = np.repeat(ids, [7, 1, 1, 1])
    t = net.node("gather", (a,), "t", (1, 10), {1: spread}, axis=1)
    wb = net.param("b.weight", (10, 5), {0: spread})
    net.node("contract", (t, wb), "b", (1, 5), None, equation="ab,bc->ac")
    return net.coupling()


ALL = {
    "chain": chain(8, 5),
    "residual": residual(),
    "depthwise": depthwise(),
    "two_rows": two_rows(),
    "concat": concat(),
}


def random_alive(coupling: Coupling, rng: np.random.Generator) -> tuple[Ids, Alive]:
    """Random widths of at least 1, and random units of that number in every row."""
    alive = coupling.everything()
    widths = []
    for group in coupling:
        widths.append(int(rng.integers(1, group.width + 1)))
        for row in group.units:
            alive[rng.permutation(row)[widths[-1] :]] = False
    return np.array(widths, dtype=np.int64), alive


def random_tensors(coupling: Coupling, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Normal contents for every parameter."""
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.standard_normal(value.known_shape).astype(np.float32)
        for value in coupling.graph.params
    }
