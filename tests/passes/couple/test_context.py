"""The interpreter's state: rules are registered once, layers settle, results are remembered."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.groups import Coupling, Layer
from graphprune.ir.ops import OPS
from graphprune.ir.text import parse
from graphprune.labels import OUT, Labels
from graphprune.passes.couple.context import RULES, Context, rule

GRAPH = parse("""
    input x: [2,3]
    param w: [3,4]
    param s: [1,4]
    const c: int64[2] = [0, 1]
    a = contract(x, w) {equation="nk,kz->nz"}
    b = pointwise.mul(a, s)
    return b
""")


def context() -> Context:
    return Context(GRAPH, Labels())


def test_every_canonical_operation_has_a_rule() -> None:
    assert set(RULES) == set(OPS)


def test_a_second_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="'conv' has two coupling rules"):
        rule("conv")(lambda ctx, node: None)


def test_parameters_get_labels_when_somebody_asks() -> None:
    ctx = context()
    assert ctx.labels.count == 1
    layer = ctx.along("w", 1)
    assert layer is not None
    assert layer.ids.tolist() == [[1, 2, 3, 4]]
    assert ctx.along("w", 1) is layer
    assert [z.axis for z in ctx.of("w")] == [1, 0]


def test_extents_of_one_and_values_without_labels_have_none() -> None:
    ctx = context()
    assert ctx.along("s", 0) is None
    assert ctx.along("x", 1) is None
    assert ctx.of("x") == ()


def test_binding_twice_makes_equal() -> None:
    ctx = context()
    ctx.bind("s", Layer(np.array([[7, 8, 9, 9]]), 1))
    ctx.labels.count = 10
    known = ctx.bind("s", Layer(np.array([[1, 2, 3, 4]]), 1))
    assert known.ids.tolist() == [[7, 8, 9, 9]]
    assert ctx.labels.solve().tolist() == [0, 1, 2, 3, 3, 5, 6, 1, 2, 3]


def test_layers_that_are_frozen_throughout_are_dropped() -> None:
    ctx = context()
    ctx.set("a", [None, Layer(np.zeros((1, 4), np.int64), 1)])
    assert ctx.of("a") == ()


def test_rows_of_an_activation_must_lose_equally_many() -> None:
    ctx = context()
    ctx.set("a", [Layer(np.arange(1, 9).reshape(2, 4), 1)])
    (partition,) = ctx.partitions.values()
    assert partition.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_matrices_of_the_same_labels_in_another_shape_are_another_demand() -> None:
    ctx = context()
    ctx.partition(np.arange(12).reshape(2, 6))
    ctx.partition(np.arange(12).reshape(3, 4))
    ctx.partition(np.arange(12).reshape(3, 4))
    assert [m.shape for m in ctx.partitions.values()] == [(2, 6), (3, 4)]


def test_an_axis_that_is_rows_of_another_may_not_shrink() -> None:
    ctx = context()
    ctx.labels.fresh("w", 0, (10,))
    by_row = Layer(np.arange(1, 9).reshape(2, 4), 1)
    ctx.set("a", [by_row, Layer(np.array([[9], [10]]), 0)])
    assert not ctx.labels.solve()[9:].any()


def test_tying_makes_uniform_and_thin() -> None:
    ctx = context()
    ctx.labels.fresh("w", 0, (8,))
    tied = ctx.tie(Layer(np.arange(1, 9).reshape(2, 4), 1), [0])
    assert tied.ids.tolist() == [[1, 2, 3, 4]]
    assert ctx.labels.solve().tolist() == [0, 1, 2, 3, 4, 1, 2, 3, 4]


def test_the_largest_axis_is_chosen_once() -> None:
    ctx = context()
    assert ctx.choose("r", (2, 5, 5)) == 1
    assert ctx.choose("r", (9, 1, 1)) == 1
    ctx.choices["t"] = 7
    assert ctx.choose("t", (2, 5)) == 1, "a choice there is not is made again"


def test_reasons_fall_back_to_the_name() -> None:
    ctx = context()
    assert ctx.why_fixed("a") == "'a' has fixed channels"
    ctx.fixed["a"] = "an input"
    assert ctx.why_fixed("a") == "an input"


def test_constants_are_parameters_and_what_is_computed_from_them() -> None:
    ctx = context()
    assert [ctx.constant(name) for name in ("w", "c", "x", "a")] == [True, True, False, False]
    ctx.constants.add("a")
    assert ctx.constant("a")


def test_only_a_replay_knows_an_original() -> None:
    ctx = context()
    assert ctx.shape_before("a") is None
    assert ctx.axis_before("a", range(2)) is None
    layers = {"a": (Layer(np.arange(1, 5).reshape(1, 4), 1),)}
    ctx.original = Coupling(GRAPH, (), (), layers, 4)
    assert ctx.shape_before("a") == (2, 4)
    assert ctx.shape_before("nothing") is None
    assert ctx.axis_before("a", range(2)) == 1
    assert ctx.axis_before("a", range(1)) is None


def test_produced_labels_are_marked() -> None:
    ctx = context()
    ctx.out(ctx.along("w", 1))
    ctx.out(None)
    assert ctx.labels.roles().tolist() == [0, OUT, OUT, OUT, OUT]
