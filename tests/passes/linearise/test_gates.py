"""Of two activations that are multiplied one carries, the other gates."""

from __future__ import annotations

from graphprune.passes.linearise import carrying, constants, gates
from tests.passes.linearise.networks import ATTENTION, CHAIN, GATED, graph_of


def gate_names(text: str) -> list[str]:
    """The values that gate something."""
    graph = graph_of(text)
    return [graph.nodes[i].inputs[operand] for i, operand in gates(graph).items()]


def test_a_chain_has_no_gates_and_every_node_carries() -> None:
    assert gate_names(CHAIN) == []
    assert carrying(graph_of(CHAIN)) == {0, 1, 2, 3, 4}


def test_the_broadcast_operand_gates() -> None:
    assert gate_names(GATED) == ["g"]


def test_what_leads_to_gates_alone_does_not_carry() -> None:
    graph = graph_of(GATED)
    assert [graph.nodes[i].outputs[0] for i in sorted(carrying(graph))] == ["p", "t", "y"]


def test_of_equally_large_operands_the_one_computed_from_the_other_by_weights_gates() -> None:
    """Squeeze-and-excitation on a single pixel, the gate first."""
    text = """
        input x: [1,6,1,1]
        param s: [6,6,1,1]
        u: [1,6,1,1] = conv(x, s)
        y: [1,6,1,1] = pointwise.mul(u, x)
        return y
    """
    assert gate_names(text) == ["u"]


def test_a_function_of_the_same_value_gates_it_without_weights() -> None:
    """SiLU spelled out."""
    text = """
        input x: [1,6]
        g: [1,6] = pointwise.sigmoid(x)
        y: [1,6] = pointwise.mul(x, g)
        return y
    """
    assert gate_names(text) == ["g"]


def test_constant_factors_are_no_gates() -> None:
    text = """
        input x: [1,6]
        param s: [6]
        y: [1,6] = pointwise.mul(x, s)
        return y
    """
    assert gate_names(text) == []


def test_divisors_gate() -> None:
    text = """
        input x: [1,6]
        n: [1,6] = pointwise.abs(x)
        y: [1,6] = pointwise.div(x, n)
        return y
    """
    assert gate_names(text) == ["n"]


def test_attention_weights_gate_the_values() -> None:
    assert gate_names(ATTENTION) == ["e"]
    graph = graph_of(ATTENTION)
    assert [graph.nodes[i].outputs[0] for i in sorted(carrying(graph))] == ["c", "f", "y"]


def test_constants_are_what_does_not_depend_on_inputs() -> None:
    graph = graph_of("""
        input x: [1,6]
        param w: [4,6]
        t: [6,4] = transpose(w) {perm=[1,0]}
        y: [1,4] = contract(x, t) {equation="ak,kz->az"}
        return y
    """)
    assert constants(graph) == {"w", "t"}
