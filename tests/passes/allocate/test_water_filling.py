"""The densities whose product is largest: closed form, optimality, an independent solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from graphprune.budget import Budget
from graphprune.groups import Alive
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.water_filling import precrop, water_filling
from graphprune.terms import Floats
from tests.passes.allocate.problems import layers_of


def test_resnet20_at_half_its_weights() -> None:
    layers = layers_of("resnet20")
    assert (len(layers), sum(layer.weights for layer in layers)) == (22, 270_896)
    found = precrop(layers, Limits.of(layers, Budget(params=0.5)))
    assert found.objective == pytest.approx(-6.4455, abs=1e-4)
    assert found.kept == pytest.approx(0.5)


def test_layers_that_are_narrowed_keep_equally_many_weights() -> None:
    sizes = np.array([10.0, 40.0, 100.0, 400.0])
    values = water_filling(sizes, np.zeros(4), Limits(150.0), 1.0)
    np.testing.assert_allclose(values * sizes, [10, 40, 50, 50])


def test_layers_may_grow_up_to_the_cap() -> None:
    """PreConfig: what weighs little grows, within both budgets."""
    sizes, macs = np.array([10.0, 400.0]), np.array([50.0, 50.0])
    values = water_filling(sizes, macs, Limits(300.0, 100.0), 2.0)
    assert values[0] > 1 > values[1]
    assert macs @ values == pytest.approx(100)
    capped = water_filling(sizes, np.zeros(2), Limits(410.0), 2.0)
    assert capped.tolist() == pytest.approx([2, 390 / 400])


def test_without_a_bound_that_binds_all_is_kept() -> None:
    sizes = np.array([3.0, 5.0])
    for limits in (Limits(), Limits(8.0), Limits(weights=9.0, macs=1e9)):
        assert water_filling(sizes, sizes, limits, 1.0).tolist() == [1, 1]


SIZES = st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e8)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.floats(0.01, 1.2), st.floats(0.01, 1.2), st.sampled_from([1.0, 2.0]))
def test_both_bounds_hold_and_no_exchange_gains(
    pairs: list[tuple[float, float]], share: float, other: float, cap: float
) -> None:
    """The Karush-Kuhn-Tucker conditions: 1 / p = a N + b F below the cap, and at most it there."""
    sizes, macs = np.array(pairs).T
    limits = Limits(share * sizes.sum(), other * macs.sum())
    values = water_filling(sizes, macs, limits, cap)
    assert (values > 0).all() and (values <= cap).all()
    assert sizes @ values <= limits.weights * (1 + 1e-9)
    assert macs @ values <= limits.macs * (1 + 1e-9)
    free = values < cap * (1 - 1e-9)
    if free.any():
        prices = _prices(sizes, macs, values, limits, free)
        np.testing.assert_allclose(prices[free] * values[free], 1, rtol=1e-5)
        assert (prices[~free] * cap <= 1 + 1e-5).all()


def _prices(sizes: Floats, macs: Floats, values: Floats, limits: Limits, free: Alive) -> Floats:
    """What layers cost at the multipliers that fit best: not negative, zero for a loose bound."""
    used = (sizes @ values / limits.weights, macs @ values / limits.macs)
    tight = np.array([share > 1 - 1e-7 for share in used])
    columns = np.stack([sizes, macs], axis=1) * tight
    norms = np.maximum(columns.max(axis=0), 1e-300)
    multipliers, _ = nnls(columns[free] * values[free, None] / norms, np.ones(int(free.sum())))
    return np.asarray(columns @ (multipliers / norms))


@pytest.mark.parametrize("cap", [1.0, 2.0])
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "efficientnet_b0"])
def test_the_optimum_is_an_independent_solvers(name: str, cap: float) -> None:
    cp: Any = pytest.importorskip("cvxpy", reason="the independent solver is not installed")
    layers = layers_of(name)
    limits = Limits.of(layers, Budget(params=0.6, macs=0.5))
    found = precrop(layers, limits, cap)
    p = cp.Variable(len(layers))
    rules = [p <= cap]
    for values, limit in (
        ([layer.weights for layer in layers], limits.weights),
        ([layer.macs for layer in layers], limits.macs),
    ):
        rules.append((np.array(values) / limit) @ p <= 1)
    stated = cp.Problem(cp.Maximize(cp.sum(cp.log(p))), rules)
    stated.solve(solver="CLARABEL")
    assert found.objective == pytest.approx(float(stated.value), abs=5e-5)
