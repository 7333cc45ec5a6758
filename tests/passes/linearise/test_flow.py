"""The flow is the sum over all paths; its gradients are those that PyTorch derives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphprune.errors import UnsupportedModel
from graphprune.passes.linearise import flow, weights
from tests.passes.linearise.networks import (
    ATTENTION,
    CHAIN,
    CONCAT,
    DEPTHWISE,
    GATED,
    RESIDUAL,
    drawn,
    graph_of,
)

ALL = {
    "chain": CHAIN,
    "residual": RESIDUAL,
    "depthwise": DEPTHWISE,
    "concat": CONCAT,
    "gated": GATED,
    "attention": ATTENTION,
}


def test_the_total_is_the_sum_over_all_paths() -> None:
    graph = graph_of("""
        input x: [1,2]
        param a: [2,2]
        param b: [1,2]
        h: [1,2] = contract(x, a) {equation="ak,zk->az"}
        y: [1,1] = contract(h, b) {equation="ak,zk->az"}
        return y
    """)
    given = {"a": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.array([[5.0, 6.0]])}
    assert flow(graph, given).total == 5 * (1 + 2) + 6 * (3 + 4)


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_differences(name: str) -> None:
    """The total is linear in every single weight."""
    graph = graph_of(ALL[name])
    given = drawn(graph)
    found = flow(graph, given)
    gradients = found.gradients()
    rng = np.random.default_rng(1)
    for weight in weights(graph):
        place = tuple(int(rng.integers(n)) for n in given[weight.param].shape)
        more = {key: value.copy() for key, value in given.items()}
        more[weight.param][place] += 1
        by = gradients[weight.param][place] if weight.param in gradients else 0.0
        assert flow(graph, more).total - found.total == pytest.approx(by, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["chain", "residual", "depthwise", "concat"])
def test_weights_times_gradients_add_up_to_the_total_where_a_layer_takes_all(name: str) -> None:
    """The conservation law of synaptic flow, at the first and the last layer."""
    graph = graph_of(ALL[name])
    given = drawn(graph)
    found = flow(graph, given)
    gradients = found.gradients()
    for param in (next(iter(given)), list(given)[-1]):
        assert (given[param] * gradients[param]).sum() == pytest.approx(found.total)


def test_layers_of_gates_are_bypassed() -> None:
    graph = graph_of(GATED)
    asked: list[str] = []

    def contents(name: str) -> Any:
        asked.append(name)
        return np.ones(graph.values[name].known_shape)

    found = flow(graph, contents)
    assert asked == ["a", "b"]
    assert found.total == 3 * 6 * 2 * 16
    assert set(found.gradients()) >= {"a", "b"}
    assert not {"s", "e"} & set(found.gradients())


def test_attention_weights_count_as_equal_shares() -> None:
    graph = graph_of(ATTENTION)
    given = {name: np.ones(array.shape) for name, array in drawn(graph).items()}
    assert flow(graph, given).total == pytest.approx(3 * 3 * 4 * 2)


def test_biases_norms_and_constants_are_bypassed() -> None:
    graph = graph_of("""
        input x: [1,3,2,2]
        param w: [4,3,1,1]
        param b: [4]
        param g: [4]
        param s: [4,1,1]
        p: [1,4,2,2] = conv(x, w, b)
        q: [1,4,2,2] = batch_norm(p, g, b, g, b)
        r: [1,4,2,2] = pointwise.mul(q, s)
        y: [1,4,2,2] = pointwise.add(r, s)
        return y
    """)
    assert flow(graph, {"w": np.ones((4, 3, 1, 1))}).total == 4 * 3 * 4


def test_an_operation_without_a_rule_is_named() -> None:
    graph = graph_of("""
        input x: [1,3,2]
        param w: [4,3,2]
        p: [1,4,1] = conv(x, w)
        y: [1,4,1] = scan(p) {axes=[1]}
        return y
    """)
    with pytest.raises(UnsupportedModel) as caught:
        flow(graph, drawn(graph))
    assert str(caught.value) == (
        "UnsupportedModel: 'scan' cannot be linearised\n"
        "  where: y\n"
        "  why:   no rule says what it does to flow\n"
        "  fix:   a rule for it belongs into graphprune/passes/linearise"
    )


def test_an_opaque_operation_says_why_it_is_one() -> None:
    graph = graph_of("""
        input x: [1,3]
        y: [1,3] = opaque(x) {type="Mystery", reason="nobody knows it"}
        return y
    """)
    with pytest.raises(UnsupportedModel, match="nobody knows it"):
        flow(graph, {})


def test_weights_that_other_nodes_compute_are_refused() -> None:
    graph = graph_of("""
        input x: [1,3]
        param a: [4,2]
        param b: [2,3]
        w: [4,3] = contract(a, b) {equation="zr,rk->zk"}
        y: [1,4] = contract(x, w) {equation="ak,zk->az"}
        return y
    """)
    with pytest.raises(UnsupportedModel, match="cannot be linearised"):
        flow(graph, drawn(graph))


def test_a_network_that_only_looks_things_up_has_no_flow() -> None:
    graph = graph_of("""
        input x: [1,3]
        param a: [3]
        y: [3] = pointwise.relu(a)
        return y
    """)
    with pytest.raises(UnsupportedModel, match="no path leads"):
        _ = flow(graph, {}).total


def test_the_flow_of_a_module_is_what_pytorch_computes() -> None:
    torch = pytest.importorskip("torch")
    from graphprune.frontends.torch import trace
    from tests.passes.linearise.modules import Everything

    module = Everything().double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    x = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    expected = module(x).sum()
    expected.backward()
    traced = trace(module, (x,), {})
    found = flow(traced.graph, traced.contents)
    assert found.total == pytest.approx(expected.item(), rel=1e-12)
    gradients = found.gradients()
    parameters = dict(module.named_parameters())
    assert len(weights(traced.graph)) == len(parameters)
    for weight in weights(traced.graph):
        derived = parameters[traced.graph.values[weight.param].source].grad.numpy()
        np.testing.assert_allclose(gradients[weight.param], derived, rtol=1e-10)
