"""Running a graph on labels, and choosing again where a choice froze everything."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from graphprune.groups import Layer
from graphprune.ir.text import parse
from graphprune.labels import Labels
from graphprune.passes.couple.interpret import interpret, other_choices, settle

HEADS = """
    input x: [2,3]
    param wa: [3,20]
    a = contract(x, wa) {equation="nk,kz->nz"}
    r = reshape(a) {shape=[2,4,5]}
    y = reduce.sum(r) {axes=[1]}
    return y
"""


def test_values_get_layers_in_the_order_of_the_graph() -> None:
    ctx = interpret(parse(dedent(HEADS)))
    assert [layer.axis for layer in ctx.of("wa")] == [0, 1]
    (layer,) = ctx.of("r")
    assert (layer.axis, layer.rows) == (2, (1,))
    assert ctx.choices == {"r": 1}
    assert ctx.fixed["a"] == "'x' is an input of the graph"


def test_given_choices_are_followed() -> None:
    ctx = interpret(parse(dedent(HEADS)), {"r": 0})
    (layer,) = ctx.of("r")
    assert (layer.axis, layer.rows) == (1, ())
    classes, families = settle(ctx)
    assert families == ()
    assert np.unique(classes[ctx.of("wa")[1].ids]).size == 4


def test_a_choice_that_froze_everything_is_made_again() -> None:
    ctx = interpret(parse(dedent(HEADS)))
    classes, _ = settle(ctx)
    assert other_choices(ctx, classes) == [{"r": 0}]


def test_a_choice_that_left_channels_stays() -> None:
    ctx = interpret(parse(dedent(HEADS).replace("axes=[1]", "axes=[1,2]")))
    classes, _ = settle(ctx)
    assert other_choices(ctx, classes) == []


def test_rows_with_padding_in_them_cannot_lose_as_many_as_others() -> None:
    """Nobody removes padding, so the pairs that hold it stay, and with them those beside it."""
    text = dedent("""
        input x: [2,3]
        param wa: [3,6]
        a = contract(x, wa) {equation="nk,kz->nz"}
        p = pad(a) {mode="constant", pads=[0,2,0,0]}
        r = reshape(p) {shape=[2,2,4]}
        y = reduce.sum(r) {axes=[2]}
        return y
    """)
    ctx = interpret(parse(text))
    assert ctx.choices == {"r": 1}
    classes, families = settle(ctx)
    (layer,) = ctx.of("r")
    assert classes[layer.rectangle()].tolist() == [[0, 0, 4, 5], [0, 0, 4, 5]]
    assert families == ()


def test_parameters_may_come_with_layers_of_their_own() -> None:
    graph = parse("input x: [2,3]\nparam b: [3]\ny = pointwise.add(x, b)\nreturn y")
    units = np.array([1, 2, 3])
    ctx = interpret(graph, None, Labels(3), {"b": (Layer(units, 0),)})
    classes = ctx.labels.solve()
    assert classes.tolist() == [0, 0, 0, 0], "the input is fixed, so are the units it meets"


def test_a_value_of_unknown_shape_is_left_to_nobody() -> None:
    graph = parse("""
        input x: [2,3]
        param wa: [3,8]
        a = contract(x, wa) {equation="nk,kz->nz"}
        u: ? = opaque(a) {reason="unknown", type="NonZero"}
        v: ? = pointwise.add(u, u)
        return v
    """)
    classes, _ = settle(interpret(graph))
    assert not classes.any()
