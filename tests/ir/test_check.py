"""Every way in which a graph can be malformed is caught, and named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphprune.errors import InvalidModel
from graphprune.ir import Graph, Node, Value
from graphprune.ir.check import check
from graphprune.ir.text import parse

GOOD = parse(
    """
    input x: [1,4,3]
    param w: [3,5]
    const c: int64[2] = [0, 2]
    y = contract(x, w) {equation="aij,jk->aik"}
    g = gather(y, c) {axis=1}
    u, v = split(g) {axis=2, sizes=[2,3]}
    return u, v, w
    """
)


def values(**changed: Value | None) -> Graph:
    """The good graph with some values replaced, or taken out."""
    merged = {**GOOD.values, **changed}
    return replace(GOOD, values={k: v for k, v in merged.items() if v is not None})


def first_node(node: Node) -> Graph:
    return replace(GOOD, nodes=(node, *GOOD.nodes[1:]))


Y, _, SPLIT = GOOD.nodes
WRONG = {
    "op": first_node(replace(Y, op="matmul")),
    "operand": first_node(replace(Y, inputs=("x", "z"))),
    "unsorted": replace(GOOD, nodes=GOOD.nodes[::-1]),
    "twice": replace(GOOD, nodes=(Y, *GOOD.nodes)),
    "twice in one": replace(GOOD, nodes=(*GOOD.nodes[:2], replace(SPLIT, outputs=("u", "u")))),
    "overwrites": first_node(replace(Y, outputs=("w",))),
    "no value": values(y=None),
    "shape": values(y=Value("y", (1, 4, 6))),
    "operands": first_node(replace(Y, attrs={"equation": "aij,kj->aik"})),
    "attribute": first_node(replace(Y, attrs={})),
    "results": first_node(replace(Y, outputs=("y", "y2"))),
    "output": replace(GOOD, outputs=("z",)),
    "orphan": values(z=Value("z", (1,))),
    "filed": values(x=Value("z", (1, 4, 3), kind="input")),
    "negative": values(w=Value("w", (3, -5), kind="param", source="w")),
    "const shape": values(c=Value("c", (3,), "int64", "const", np.zeros(2, np.int64))),
    "const empty": values(c=Value("c", (2,), "int64", "const")),
    "input kind": values(x=Value("x", (1, 4, 3), kind="param")),
    "input listed": replace(GOOD, inputs=()),
    "input twice": replace(GOOD, inputs=("x", "x")),
}  # fmt: skip


def test_a_good_graph_passes() -> None:
    check(GOOD)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("op", "InvalidModel: 'matmul' is no canonical op\n  where: matmul y"),
        ("operand", "InvalidModel: operand 'z' is read before it is computed\n  where: contract y"),
        ("unsorted", "InvalidModel: operand 'g' is read before it is computed\n  where: split u"),
        ("twice", "InvalidModel: result 'y' is defined twice or has no value\n  where: contract y"),
        (
            "twice in one",
            "InvalidModel: result 'u' is defined twice or has no value\n  where: split u",
        ),
        ("overwrites", "InvalidModel: result 'w' is defined twice or has no value"),
        ("no value", "InvalidModel: result 'y' is defined twice or has no value"),
        ("shape", "InvalidModel: 'y' is declared (1, 4, 6), but computed as (1, 4, 5)"),
        ("operands", "why:   extents 3 and 5 meet in y"),
        ("attribute", "why:   'contract' lacks an operand, axis or attribute: 'equation'"),
        ("results", "InvalidModel: result 'y2' is defined twice or has no value"),
        ("output", "InvalidModel: output 'z' is never computed"),
        ("orphan", "InvalidModel: value 'z' is never computed"),
        ("filed", "InvalidModel: value 'z' is filed under 'x'"),
        ("negative", "InvalidModel: value 'w' has a negative extent\n  where: [3, -5]"),
        ("const shape", "InvalidModel: constant 'c' holds (2,), not (3,)"),
        ("const empty", "InvalidModel: constant 'c' holds nothing"),
        ("input kind", "InvalidModel: input 'x' is no value of kind input"),
        ("input listed", "InvalidModel: input 'x' is not listed among the inputs"),
        ("input twice", "InvalidModel: an input is listed twice"),
    ],
)
def test_malformed_graphs_are_refused(case: str, text: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        check(WRONG[case])
    assert text in str(caught.value)


def test_more_results_than_the_rule_gives() -> None:
    graph = values(y2=Value("y2", (1, 4, 5)))
    graph = replace(graph, nodes=(replace(Y, outputs=("y", "y2")), *GOOD.nodes[1:]))
    with pytest.raises(InvalidModel, match="2 results are named, 1 computed"):
        check(graph)


def test_what_is_opaque_or_has_no_shape_is_not_inferred() -> None:
    check(
        parse(
            """
            input x: [2]
            y: ? = opaque(x) {reason="no rule", type="Odd"}
            z: [9] = pointwise.relu(y)
            return z
            """
        )
    )
