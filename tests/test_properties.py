"""Random networks, random plans: every one is proven, written and read back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

import graphprune
from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.frontends.onnx import Lowered
from graphprune.inspection import Inspection, inspect
from graphprune.passes.narrow import materialise, narrow, write
from graphprune.plan import Plan, Source
from graphprune.result import METADATA_KEY
from tests.nets.movements import wandering
from tests.nets.random_nets import image_net, token_net
from tests.oracle import Widths, drawn, proven

steps = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 7)), min_size=1, max_size=5)
seeds = st.integers(0, 1000)
widths: st.SearchStrategy[Widths] = st.sampled_from(["some", "one", "half"])
models = st.one_of(st.builds(image_net, steps, seeds), st.builds(token_net, steps, seeds))


def planned(found: Inspection[Lowered], seed: int, width: Widths) -> Plan:
    alive = drawn(found.coupling, seed, width)
    source = Source("onnx", found.lowered.model.sha256, "random.onnx")
    return Plan.of(
        found.coupling, alive, source=source, method={}, budget=Budget(channels=0.5), seed=seed
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(models, seeds, widths)
def test_every_plan_is_proven(model: onnx.ModelProto, seed: int, width: Widths) -> None:
    found = inspect(model)
    proof = proven(found, drawn(found.coupling, seed, width), seed=seed)
    assert proof.replay.failures == ()
    assert proof.ok
    assert proof.left_out == ()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), widths)
def test_channels_are_followed_wherever_they_go(seed: int, width: Widths) -> None:
    found = inspect(wandering(seed))
    proof = proven(found, drawn(found.coupling, seed, width), seed=seed)
    assert proof.replay.failures == ()
    assert proof.ok


@settings(derandomize=True, max_examples=60, deadline=None)
@given(models, seeds, widths)
def test_a_plan_survives_its_file(model: onnx.ModelProto, seed: int, width: Widths) -> None:
    found = inspect(model)
    plan = planned(found, seed, width)
    read = Plan.from_json(plan.to_json())
    fresh = inspect(onnx.ModelProto.FromString(model.SerializeToString()))
    assert np.array_equal(read.alive(fresh.coupling), drawn(found.coupling, seed, width))
    assert read.to_json() == plan.to_json()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(models, seeds, widths)
def test_a_written_model_carries_its_proof(
    model: onnx.ModelProto, seed: int, width: Widths
) -> None:
    found = inspect(model)
    plan = planned(found, seed, width)
    narrowed = narrow(found.lowered, found.coupling, plan.alive(found.coupling))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        write(narrowed.with_metadata(METADATA_KEY, plan.to_json()), path)
        onnx.checker.check_model(str(path), full_check=True)
        proof = graphprune.check(model, path, runs=1)
        small = inspect(path)
    assert proof.ok
    assert proof.masked is not None
    # The narrowed file says by itself what the cost model foretold.
    foretold = CostModel.of(found.coupling).exact(plan.alive(found.coupling))
    assert small.cost_model.full == foretold


@settings(derandomize=True, max_examples=40, deadline=None)
@given(models)
def test_a_plan_that_keeps_everything_changes_nothing(model: onnx.ModelProto) -> None:
    found = inspect(model)
    narrowed = narrow(found.lowered, found.coupling, found.coupling.everything())
    assert materialise(narrowed) == model


@settings(derandomize=True, max_examples=30, deadline=None)
@given(models, seeds)
def test_narrowing_twice_is_narrowing_once(model: onnx.ModelProto, seed: int) -> None:
    """What is left of a group can be narrowed again, and is proven against the first result."""
    found = inspect(model)
    once = materialise(narrow(found.lowered, found.coupling, drawn(found.coupling, seed, "half")))
    again = inspect(once)
    assert proven(again, drawn(again.coupling, seed, "half"), seed=seed).ok
