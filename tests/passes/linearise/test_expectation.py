"""SynExp: the expected flow is the mean over masks, whatever masks are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.ir import Graph
from graphprune.passes.linearise import expectation, flow
from graphprune.terms import Floats
from tests.passes.linearise.networks import (
    CHAIN,
    CONCAT,
    DEPTHWISE,
    GATED,
    RESIDUAL,
    drawn,
    graph_of,
)

NETWORKS = {"residual": RESIDUAL, "depthwise": DEPTHWISE, "concat": CONCAT}
DENSITIES = {"a": 0.7, "b": 0.5, "c": 0.6, "d": 0.8}
# Axes of a weight along which a mask of this kind varies.
GRANULARITIES = {"weight": slice(None), "filter": slice(0, 1), "channel": slice(1, 2)}


def mask(rng: np.random.Generator, shape: tuple[int, ...], kind: str, density: float) -> Floats:
    """Ones and zeros: single weights, whole filters or whole input channels."""
    axes = range(len(shape))[GRANULARITIES[kind]]
    kept = rng.random([n if i in axes else 1 for i, n in enumerate(shape)]) < density
    return np.asarray(np.broadcast_to(kept, shape), dtype=np.float64)


def flows(graph: Graph, given: dict[str, Floats], kind: str, trials: int) -> Iterator[float]:
    """Flows of randomly masked networks, layers masked independently."""
    rng = np.random.default_rng(0)
    for _ in range(trials):
        masked = {
            name: array * mask(rng, array.shape, kind, DENSITIES[name])
            for name, array in given.items()
        }
        yield flow(graph, masked).total


@pytest.mark.parametrize("kind", GRANULARITIES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_mean_over_masks_is_the_expectation(name: str, kind: str) -> None:
    graph = graph_of(NETWORKS[name])
    given = drawn(graph)
    chosen = {layer: DENSITIES[layer] for layer in given}
    expected = expectation(graph, given.__getitem__, chosen, exact=True)
    trials = np.array(list(flows(graph, given, kind, 400)))
    error = trials.std(ddof=1) / np.sqrt(len(trials))
    assert abs(trials.mean() - expected.value) < 3 * error
    # The bound tells something: the masks take most of the flow away.
    assert 3 * error < 0.5 * (flow(graph, given).total - expected.value)


def test_the_mean_over_weights_and_masks_needs_magnitudes_alone() -> None:
    """Weights of mean one, drawn anew every time, give the proxy without ``exact``."""
    graph = graph_of(RESIDUAL)
    ones = {name: np.ones(array.shape) for name, array in drawn(graph).items()}
    expected = expectation(graph, ones.__getitem__, DENSITIES)
    rng, trials = np.random.default_rng(1), []
    for _ in range(400):
        masked = {
            name: rng.exponential(size=array.shape)
            * mask(rng, array.shape, "weight", DENSITIES[name])
            for name, array in ones.items()
        }
        trials.append(flow(graph, masked).total)
    error = np.std(trials, ddof=1) / np.sqrt(len(trials))
    assert abs(np.mean(trials) - expected.value) < 3 * error


def test_masks_that_layers_share_break_the_claim() -> None:
    """Where producer and consumer lose the same channels, a path is cut once and not twice."""
    graph = graph_of(DEPTHWISE)
    given, rng = drawn(graph), np.random.default_rng(0)
    half = {"a": 0.5, "b": 0.5, "c": 0.5}
    expected = expectation(graph, given.__getitem__, half, exact=True).value
    trials = []
    for _ in range(400):
        kept = (rng.random(6) < 0.5).astype(np.float64)
        shapes = {"a": (6, 1, 1, 1), "b": (6, 1, 1, 1), "c": (1, 6, 1, 1)}
        masked = {name: given[name] * kept.reshape(shape) for name, shape in shapes.items()}
        trials.append(flow(graph, masked).total)
    assert np.mean(trials) == pytest.approx(4 * expected, rel=0.1)


def test_on_a_chain_it_is_the_product_of_the_densities() -> None:
    graph = graph_of(CHAIN)
    given = drawn(graph)
    chosen = {"a": 0.25, "b": 0.5, "c": 0.1}
    whole, masked = (expectation(graph, given.__getitem__, p) for p in (None, chosen))
    assert masked.log - whole.log == pytest.approx(np.log(0.25 * 0.5 * 0.1))
    assert masked.log - whole.log == pytest.approx(masked.objective)
    assert masked.shares == pytest.approx({"a": 1, "b": 1, "c": 1})


def test_slopes_are_differences() -> None:
    graph = graph_of(RESIDUAL)
    given = drawn(graph)
    here = expectation(graph, given.__getitem__, DENSITIES)
    for name in DENSITIES:
        more = DENSITIES | {name: DENSITIES[name] + 1e-6}
        there = expectation(graph, given.__getitem__, more)
        assert (there.log - here.log) / 1e-6 == pytest.approx(here.slopes[name], rel=1e-4)


def test_a_branch_carries_the_share_of_the_flow_that_is_gone_without_it() -> None:
    graph = graph_of(RESIDUAL)
    given = drawn(graph)
    found, without = (expectation(graph, given.__getitem__, {"b": p}) for p in (1.0, 0.0))
    assert (found.shares["a"], found.shares["d"]) == pytest.approx((1, 1))
    assert found.shares["b"] == pytest.approx(found.shares["c"])
    assert found.shares["b"] == pytest.approx(1 - without.value / found.value)


def test_magnitudes_are_those_of_the_weights() -> None:
    graph = graph_of(CHAIN)
    given = {name: -array for name, array in drawn(graph).items()}
    found = expectation(graph, given.__getitem__)
    assert found.magnitudes == {name: -array.mean() for name, array in given.items()}


def test_layers_of_gates_have_no_density() -> None:
    graph = graph_of(GATED)
    given = drawn(graph)
    assert set(expectation(graph, given.__getitem__).densities) == {"a", "b"}
    with pytest.raises(BadData) as caught:
        expectation(graph, given.__getitem__, {"s": 0.5})
    assert str(caught.value) == (
        "BadData: there is no layer with a weight called 's'\n  fix:   its layers are: a, b"
    )


def test_nothing_flows_at_density_zero() -> None:
    graph = graph_of(CHAIN)
    found = expectation(graph, drawn(graph).__getitem__, {"b": 0.0})
    assert (found.log, found.value, found.objective) == (-np.inf, 0.0, -np.inf)


def test_negative_densities_are_refused() -> None:
    graph = graph_of(CHAIN)
    with pytest.raises(BadData, match=r"the density of 'b' is -0\.1"):
        expectation(graph, drawn(graph).__getitem__, {"b": -0.1})


def test_flows_out_of_range_are_an_error() -> None:
    graph = graph_of(CHAIN)
    given = {name: 1e200 * array for name, array in drawn(graph).items()}
    with pytest.raises(BadData, match="leaves the range of float64"):
        expectation(graph, given.__getitem__)
