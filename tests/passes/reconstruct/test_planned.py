"""A plan with factors multiplies every weight that reads a channel of a fresh copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from graphprune.budget import Budget
from graphprune.errors import PlanMismatch
from graphprune.groups import Coupling
from graphprune.passes.couple import couple
from graphprune.passes.reconstruct import lines, patch, planned
from graphprune.plan import Factors, Plan, Source
from tests.networks import ALL, residual
from tests.oracle import drawn, reweighted


def written(coupling: Coupling, seed: int = 0) -> Plan:
    alive = drawn(coupling, seed)
    patched = patch(coupling, reweighted(coupling, alive, seed))
    return Plan.of(
        coupling,
        alive,
        source=Source("onnx", "0123456789abcdef" * 4, "net.onnx"),
        method={},
        budget=Budget(),
        seed=seed,
        factors=lines(coupling, alive, patched),
    )


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("seed", range(4))
def test_round_trip_through_the_file_and_a_fresh_coupling(name: str, seed: int) -> None:
    coupling = couple(ALL[name].graph)
    plan = Plan.from_json(written(coupling, seed).to_json())
    fresh = couple(ALL[name].graph)
    alive, found = planned(plan, fresh, "onnx")
    wanted = patch(coupling, reweighted(coupling, drawn(coupling, seed), seed))
    assert np.array_equal(alive, drawn(coupling, seed))
    if found is None or wanted is None:
        assert found is wanted
        return
    assert found.places == wanted.places
    assert np.array_equal(found.factors, wanted.factors)


def refused(factors: Factors | Mapping[str, Mapping[str, object]]) -> str:
    coupling = couple(residual().graph)
    plan = replace(written(coupling, 3), factors=factors)  # type: ignore[arg-type]
    with pytest.raises(PlanMismatch) as caught:
        planned(plan, coupling, "onnx")
    return str(caught.value)


def test_every_reader_has_to_be_multiplied() -> None:
    factors = dict(written(couple(residual().graph), 3).factors)
    assert set(factors) == {"b.weight", "c.weight", "d.weight"}
    del factors["d.weight"]
    assert refused(factors) == (
        "PlanMismatch: the plan does not multiply 'd.weight'\n"
        "  where: axis 1 of d.weight\n"
        "  why:   it has factors for the channels that this parameter reads\n"
        "  fix:   make a new plan for this model"
    )


def test_nothing_else_may_be_multiplied() -> None:
    factors = dict(written(couple(residual().graph), 3).factors)
    factors["a.weight"] = {"0": factors["d.weight"]["1"]}
    assert "the plan multiplies 'a.weight'" in refused(factors)
