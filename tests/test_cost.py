"""Costs are checked against executing the narrowed network and counting what it does."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest

from graphprune.cost import Cost, CostModel
from graphprune.groups import Alive, Coupling
from graphprune.ir import Node
from graphprune.ir.graph import Shape
from tests.networks import ALL, Net, random_alive, unlike


def executed_conv(y: Shape, w: Shape) -> int:
    """Multiplications of a conv, one output element after the other."""
    count = 0
    for _ in product(*map(range, y)):
        for _ in product(*map(range, w[1:])):
            count += 1
    return count


def executed(coupling: Coupling, alive: Alive) -> dict[str, int]:
    """MACs of every node of a narrowed network of convs and matrix products, by loops."""
    counts: dict[str, int] = {}
    for node in coupling.graph.nodes:
        shapes = [coupling.shape(name, alive) for name in (*node.inputs, *node.outputs)]
        if node.op == "conv":
            counts[node.title] = executed_conv(shapes[-1], shapes[1])
        elif node.op == "contract":
            (rows, inner), columns = shapes[0], shapes[-1][1]
            counts[node.title] = sum(1 for _ in product(range(rows), range(inner), range(columns)))
    return counts


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_equals_execution_of_the_narrowed_network(name: str, seed: int) -> None:
    coupling = ALL[name]
    model = CostModel.of(coupling)
    widths, alive = random_alive(coupling, np.random.default_rng(seed))
    counts = executed(coupling, alive)
    params = [coupling.shape(value.name, alive) for value in coupling.graph.params]
    results = [coupling.shape(node.outputs[0], alive) for node in coupling.graph.nodes]
    expected = Cost(
        params=sum(map(prod, params)),
        macs=sum(counts.values()),
        memory=4 * sum(map(prod, results)),
    )
    assert model.exact(alive) == expected
    assert model.evaluate(widths) == expected
    by_node = model.by_node(alive)
    assert {title: cost.macs for title, cost in by_node.items() if cost.macs} == counts
    assert sum(cost.params for cost in by_node.values()) == expected.params
    assert sum(cost.memory for cost in by_node.values()) == expected.memory


def test_full_widths_cost_the_whole_network() -> None:
    for coupling in ALL.values():
        model = CostModel.of(coupling)
        assert model.evaluate(model.widths) == model.full == model.exact(coupling.everything())
        assert sum(cost.macs for cost in model.by_node().values()) == model.full.macs


def test_a_units_share_is_the_mean_where_units_differ() -> None:
    coupling = unlike()
    model = CostModel.of(coupling)
    alive = coupling.everything()
    alive[coupling.groups[0].units[0, 0]] = False
    assert model.exact(alive).params == 3 * 3 + 3 * 5
    assert model.evaluate(np.array([3])).params == round(3 * 3 + 7.5 * 5)


def single(op: str, shapes: list[Shape], result: Shape | None, **attrs: str) -> CostModel:
    """A network of one operation whose operands are all inputs."""
    net = Net()
    names = [net.value(f"i{i}", shape, kind="input") for i, shape in enumerate(shapes)]
    net.node(op, names, "y", result, None, **attrs)
    return CostModel.of(net.coupling())


def test_transposed_conv_scatters_from_every_input_position() -> None:
    x, w = (2, 3, 4, 5), (3, 6, 2, 2)
    count = 0
    for _ in product(*map(range, x)):
        for _ in product(*map(range, w[1:])):
            count += 1
    assert single("conv_transpose", [x, w], (2, 6, 8, 10)).full.macs == count == 2880


@pytest.mark.parametrize(
    ("equation", "a", "b", "y", "macs"),
    [
        ("ab,bc->ac", (2, 3), (3, 5), (2, 5), 30),
        ("ab,cb->ac", (2, 3), (5, 3), (2, 5), 30),
        ("abcd,abde->abce", (2, 4, 3, 8), (2, 4, 8, 3), (2, 4, 3, 3), 2 * 4 * 3 * 8 * 3),
        ("abc,acd->abd", (1, 2, 3), (7, 3, 5), (7, 2, 5), 7 * 2 * 3 * 5),
        ("a,a->", (9,), (9,), (), 9),
    ],
)
def test_contractions_multiply_every_index_once(
    equation: str, a: Shape, b: Shape, y: Shape, macs: int
) -> None:
    assert single("contract", [a, b], y, equation=equation).full.macs == macs
    whole = [np.ones(shape) for shape in (a, b)]
    # A sum of ones counts the multiplications of einsum itself.
    letters = sorted(set(equation) - set(",->"))
    sizes = {
        letter: max(
            n
            for word, shape in zip(equation.partition("->")[0].split(","), (a, b), strict=True)
            for other, n in zip(word, shape, strict=True)
            if other == letter
        )
        for letter in letters
    }
    grown = [
        np.broadcast_to(tensor, [sizes[letter] for letter in word])
        for tensor, word in zip(whole, equation.partition("->")[0].split(","), strict=True)
    ]
    assert np.einsum(equation, *grown).sum() == macs


@pytest.mark.parametrize(("op", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
@pytest.mark.parametrize("layout", [0, 1])
def test_recurrent_cells_multiply_both_matrices_at_every_step(
    op: str, gates: int, layout: int
) -> None:
    steps, batch, inputs, hidden, directions = 5, 2, 3, 4, 2
    count = 0
    for _ in product(range(steps), range(batch), range(directions), range(gates * hidden)):
        count += inputs + hidden
    x = (steps, batch, inputs) if layout == 0 else (batch, steps, inputs)
    w, r = (directions, gates * hidden, inputs), (directions, gates * hidden, hidden)
    model = single(op, [x, w, r], None, layout=layout)  # type: ignore[arg-type]
    # The result's shape is not needed to count, but what is not known counts nothing.
    assert model.full.macs == 0
    y = (steps, directions, batch, hidden)
    assert single(op, [x, w, r], y, layout=layout).full.macs == count  # type: ignore[arg-type]


def test_operations_of_no_multiply_accumulate_count_none() -> None:
    x: Shape = (1, 4, 8, 8)
    for op in ("pointwise.mul", "batch_norm", "pool", "resize", "softmax", "opaque"):
        assert single(op, [x], x).full == Cost(0, 0, 4 * 256)


def test_values_of_unknown_shape_count_nothing() -> None:
    assert single("conv", [(1, 2, 4, 4), (3, 2, 1, 1)], None).full == Cost(0, 0, 0)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", 4), ("float16", 2), ("bfloat16", 2), ("int64", 8), ("bool", 1), ("int4", 0.5),
     ("float8e4m3fn", 1), ("no such type", 4)],
)  # fmt: skip
def test_memory_is_in_bytes_of_the_element_type(dtype: str, size: float) -> None:
    net = Net()
    x = net.value("x", (1, 10), kind="input")
    net.value("y", (3, 10), None, dtype=dtype)
    net.nodes.append(Node("pointwise.cast", (x,), ("y", "")))
    assert CostModel.of(net.coupling()).full.memory == 30 * size


def shared(first: bool, second: bool) -> Coupling:
    """One native tensor read twice; each use may lose the channels of a group of its own."""
    net = Net()
    x = net.value("x", (1, 4, 2, 2), kind="input")
    for i, narrowed in enumerate((first, second)):
        ids = net.group(6, f"w{i}.0.out") if narrowed else None
        layers = None if ids is None else {0: ids}
        w = net.param(f"w{i}", (6, 4, 1, 1), layers, source="w0")
        net.node("conv", (x, w), f"y{i}", (1, 6, 2, 2), None if ids is None else {1: ids})
    return net.coupling()


def test_a_tensor_used_twice_counts_once_while_its_uses_are_alike() -> None:
    for coupling in (shared(False, False), shared(True, False), shared(True, True)):
        assert CostModel.of(coupling).full.params == 24
    model = CostModel.of(shared(True, True))
    assert model.evaluate(np.array([6, 6])).params == 24
    assert model.evaluate(np.array([6, 3])).params == 24 + 12
    # Widths cannot tell whether both uses keep the same half ...
    assert model.evaluate(np.array([3, 3])).params == 12
    same, other = model.coupling.everything(), model.coupling.everything()
    one, two = (group.units[0] for group in model.coupling)
    same[[*one[3:], *two[3:]]] = False
    other[[*one[3:], *two[:3]]] = False
    # ... a selection can.
    assert model.exact(same).params == 12
    assert model.exact(other).params == 24


def test_a_transposed_use_is_the_same_tensor() -> None:
    net = Net()
    x = net.value("x", (1, 4), kind="input")
    ids = net.group(8, "w.0.out")
    w = net.param("w", (8, 4), {0: ids})
    a = net.node("contract", (x, w), "a", (1, 8), {1: ids}, equation="ab,cb->ac")
    v = net.param("v", (4, 8), {1: ids}, source="w")
    net.node("contract", (a, v), "b", (1, 4), None, equation="ab,cb->ac")
    model = CostModel.of(net.coupling())
    assert model.full.params == 32
    assert model.evaluate(np.array([3])).params == 12
    assert model.by_node()["b"].params == 0


def test_a_network_without_groups_costs_what_it_costs() -> None:
    net = Net()
    net.conv(net.value("x", (1, 3, 2, 2), kind="input"), "c", 5, 1)
    model = CostModel.of(net.coupling())
    assert model.evaluate(np.empty(0, dtype=np.int64)) == Cost(15, 60, 80)
