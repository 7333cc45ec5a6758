"""Which parameters are the weights of layers."""

from __future__ import annotations

from graphprune.passes.linearise import Weight, weights
from tests.passes.linearise.networks import DEPTHWISE, GATED, graph_of


def test_depthwise_layers_are_marked() -> None:
    found = weights(graph_of(DEPTHWISE))
    assert found == (
        Weight("a", 0, 1, depthwise=False, gated=False),
        Weight("b", 1, 1, depthwise=True, gated=False),
        Weight("c", 2, 1, depthwise=False, gated=False),
    )


def test_layers_of_gates_are_marked() -> None:
    gated = {weight.param: weight.gated for weight in weights(graph_of(GATED))}
    assert gated == {"a": False, "s": True, "e": True, "b": False}


def test_a_grouped_convolution_with_several_channels_a_group_is_not_depthwise() -> None:
    (found,) = weights(
        graph_of("""
            input x: [1,6,2,2]
            param w: [6,2,1,1]
            y: [1,6,2,2] = conv(x, w) {groups=3}
            return y
        """)
    )
    assert not found.depthwise


def test_weights_are_found_behind_moves_and_casts_on_either_side() -> None:
    found = weights(
        graph_of("""
            input x: [6,1]
            param w: [6,4]
            t: [4,6] = transpose(w) {perm=[1,0]}
            c: [4,6] = pointwise.cast(t)
            y: [4,1] = contract(c, x) {equation="zk,ka->za"}
            return y
        """)
    )
    assert [(weight.param, weight.operand) for weight in found] == [("w", 0)]


def test_biases_norms_and_scales_are_no_weights() -> None:
    graph = graph_of("""
        input x: [1,3,2,2]
        param w: [4,3,1,1]
        param b: [4]
        param g: [4]
        param s: [4,1,1]
        p: [1,4,2,2] = conv(x, w, b)
        q: [1,4,2,2] = instance_norm(p, g, g)
        y: [1,4,2,2] = pointwise.mul(q, s)
        return y
    """)
    assert [weight.param for weight in weights(graph)] == ["w"]
