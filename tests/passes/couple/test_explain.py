"""Reasons: the shortest chain of operations to what froze an axis, and its true cause."""

from __future__ import annotations

import pytest

from graphprune.inspection import inspect
from tests.coupled import coupled
from tests.nets import Draft

NET = """
    input x: [1,3,4,4]
    input z: [1,8,1,1]
    param wa: [8,3,1,1]
    param wb: [8,8,1,1]
    param wc: [5,8,1,1]
    a = conv(x, wa)
    r = pointwise.relu(a)
    b = conv(r, wb)
    CAUSE
    y = conv(s, wc)
    return OUTPUTS
"""


def reasons(cause: str, outputs: str = "y") -> dict[str, str]:
    """Every frozen axis with its reason."""
    text = NET.replace("CAUSE", cause).replace("OUTPUTS", outputs)
    return {f"{f.param}.{f.axis}": " -> ".join(f.reason) for f in coupled(text).frozen}


def test_the_ends_of_a_network() -> None:
    found = reasons("s = pointwise.add(b, r)")
    assert found["wa.1"] == "a -> 'x' is an input of the graph"
    assert found["wc.0"] == "'y' is an output of the graph"
    assert set(found) == {"wa.1", "wc.0"}


def test_an_intermediate_output() -> None:
    found = reasons("s = pointwise.add(b, r)", "y, b")
    assert found["wb.0"] == "'b' is an output of the graph"
    assert found["wa.0"] == "s -> 'b' is an output of the graph"
    assert found["wc.1"] == "y -> 'b' is an output of the graph"


def test_another_input_of_the_graph() -> None:
    found = reasons("s = pointwise.add(b, z)")
    assert found["wb.0"] == "s -> 'z' is an input of the graph"
    assert found["wc.1"] == "y -> 'z' is an input of the graph"
    assert "wa.0" not in found


def test_an_unknown_operation() -> None:
    found = reasons('s: [1,8,4,4] = opaque(b) {reason="there is no rule", type="Mystery"}')
    assert found["wb.0"] == "s -> Mystery 's': there is no rule"
    assert found["wc.1"] == "y -> result of Mystery 's': there is no rule"


def test_a_softmax() -> None:
    found = reasons("s = softmax(b) {axes=[1]}")
    assert found["wb.0"] == "s -> softmax 's' runs along these channels"
    assert found["wc.1"] == "y -> softmax 's' has fixed results"


def test_a_reduction() -> None:
    found = reasons("m = reduce.max(b) {axes=[1]}\n    s = pointwise.sub(b, m)")
    assert found["wb.0"] == "m -> reduce.max 'm' runs over these channels"
    assert found["wc.1"] == "y -> m -> reduce.max 'm' runs over these channels"


def test_the_chain_leads_through_everything_in_between() -> None:
    found = reasons("t = pointwise.add(b, r)\n    s = softmax(t) {axes=[1]}")
    assert found["wa.0"] == "t -> s -> softmax 's' runs along these channels"
    assert found["wb.0"] == "s -> softmax 's' runs along these channels"
    assert found["wb.1"] == "b -> t -> s -> softmax 's' runs along these channels"


def test_the_shortest_way_is_told() -> None:
    cause = "t = pointwise.add(b, r)\n    u = pointwise.add(t, z)\n    s = pointwise.add(u, z)"
    found = reasons(cause)
    assert found["wb.0"] == "u -> 'z' is an input of the graph"


def test_a_concat_with_the_input_is_frozen_in_part() -> None:
    text = NET.replace("[5,8,1,1]", "[5,11,1,1]").replace("CAUSE", "s = concat(x, b) {axis=1}")
    (frozen,) = (
        f for f in coupled(text.replace("OUTPUTS", "y")).frozen if f.param == "wc" and f.axis
    )
    assert str(frozen) == "frozen wc.1[3 of 11] y -> 'x' is an input of the graph"
    assert (frozen.width, frozen.partial, frozen.role) == (11, 3, "in")


@pytest.mark.parametrize(
    ("name", "role"), [("wa.0", "out"), ("wb.1", "in"), ("wb.0", "out"), ("wc.1", "in")]
)
def test_roles(name: str, role: str) -> None:
    text = NET.replace("CAUSE", "t = pointwise.add(b, r)\n    s = softmax(t) {axes=[1]}")
    found = {f"{f.param}.{f.axis}": f for f in coupled(text.replace("OUTPUTS", "y")).frozen}
    assert found[name].role == role


def test_nodes_are_called_as_the_native_model_calls_them() -> None:
    m = Draft()
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 8))
    m.output(m.conv(m.op("Softmax", x, axis=1), 4))
    (frozen,) = (
        f for f in inspect(m.proto()).coupling.frozen if str(f).startswith("frozen c1.w.0")
    )
    assert frozen.reason == ("softmax1", "softmax 'softmax1' runs along these channels")
