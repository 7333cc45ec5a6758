"""The pipeline: budgets in, a proven narrower model out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphprune
from graphprune.errors import (
    BadData,
    InfeasibleBudget,
    InvalidModel,
    PlanMismatch,
)
from graphprune.pipelines.options import Options
from graphprune.plan import Plan
from tests.nets import Draft, blocks, build


@pytest.fixture(scope="module")
def net() -> onnx.ModelProto:
    """A small residual network with a layer norm in its head."""
    m = Draft()
    x = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 16)
    x = blocks.residual(m, blocks.residual(m, x, 12), 20)
    x = m.linear(m.op("Flatten", m.op("GlobalAveragePool", x)), 16)
    m.output(m.linear(blocks.layer_norm(m, x), 5))
    return m.proto()


@pytest.mark.parametrize("metric", ["macs", "params", "memory"])
@pytest.mark.parametrize("fraction", [0.7, 0.4])
def test_a_budget_is_used_and_never_exceeded(
    net: onnx.ModelProto, metric: str, fraction: float
) -> None:
    budgets: dict[str, Any] = {metric: fraction}
    result = graphprune.prune(net, **budgets)
    before, after = (getattr(cost, metric) for cost in result.cost)
    assert 0.85 * fraction * before < after <= fraction * before
    assert result.proof.ok
    assert graphprune.inspect(result.model).cost_model.full == result.cost[1]


def test_budgets_may_be_absolute_numbers(net: onnx.ModelProto) -> None:
    full = graphprune.inspect(net).cost_model.full
    half = full.macs // 2
    assert graphprune.prune(net, macs=half).cost[1].macs <= half
    texts = graphprune.prune(net, params="60%", run=False)
    assert texts.cost[1].params <= 0.6 * full.params


def test_every_one_of_several_budgets_holds(net: onnx.ModelProto) -> None:
    result = graphprune.prune(net, macs=0.5, params=0.6, memory=0.9, channels=0.9)
    before, after = result.cost
    assert after.macs <= 0.5 * before.macs
    assert after.params <= 0.6 * before.params
    assert after.memory <= 0.9 * before.memory
    for group in result.plan.groups:
        assert group.kept <= np.ceil(0.9 * group.width)


def test_a_fraction_of_every_groups_channels(net: onnx.ModelProto) -> None:
    result = graphprune.prune(net, channels=0.5)
    assert {(g.width, g.kept) for g in result.plan.groups} == {(16, 8), (12, 6), (20, 10)}


def test_widths_are_rounded(net: onnx.ModelProto) -> None:
    result = graphprune.prune(net, channels=0.6, round_to=4)
    assert {g.kept % 4 for g in result.plan.groups} == {0}


def test_what_cannot_be_met_is_refused_with_the_least_there_is(net: onnx.ModelProto) -> None:
    with pytest.raises(InfeasibleBudget) as error:
        graphprune.prune(net, macs=0.001)
    text = str(error.value)
    assert text.startswith("InfeasibleBudget: macs cannot be brought down to ")
    assert "the least reachable is" in text
    assert "fix:" in text


def test_a_model_without_channels_of_its_own_is_refused_with_a_reason() -> None:
    m = Draft()
    m.output(m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 4)))
    with pytest.raises(InfeasibleBudget, match="nothing in this model can be narrowed") as error:
        graphprune.prune(m.proto(), channels=0.5)
    assert error.value.why == "for example: 'relu1' is an output of the graph"


def test_no_budget_removes_nothing(net: onnx.ModelProto) -> None:
    result = graphprune.prune(net, run=False)
    assert result.cost[0] == result.cost[1]
    assert all(g.kept == g.width for g in result.plan.groups)


@pytest.mark.parametrize(
    ("pattern", "whole"),
    [
        ("c1.w", {"c1.w", "c3.w", "c5.w"}),
        ("c1", {"c1.w", "c3.w", "c5.w"}),
        ("conv4", {"c4.w", "c1.w"}),
        ("c[24].w", {"c1.w", "c2.w", "c3.w", "c4.w", "c5.w"}),
        ("l*", {"l1.w", "l1.b"}),
        ("g2", {"c2.w"}),
    ],
)
def test_patterns_keep_layers_whole(net: onnx.ModelProto, pattern: str, whole: set[str]) -> None:
    result = graphprune.prune(net, channels=0.5, keep=[pattern], run=False)
    before = {t.name: t.dims[0] for t in net.graph.initializer}
    after = {t.name: t.dims[0] for t in result.model.graph.initializer}
    assert {name for name in whole if after[name] == before[name]} == whole
    assert result.inspection.kept
    assert result.cost[1].params < result.cost[0].params


def test_a_pattern_that_matches_nothing_is_refused(net: onnx.ModelProto) -> None:
    with pytest.raises(BadData, match="--keep 'nothing\\*' matches no layer"):
        graphprune.prune(net, channels=0.5, keep=["nothing*"])


def test_exact_leaves_approximate_groups_whole(net: onnx.ModelProto) -> None:
    loose = graphprune.prune(net, channels=0.5)
    strict = graphprune.prune(net, channels=0.5, exact=True)
    assert loose.proof.approximate
    assert loose.proof.shift is not None
    assert strict.proof.approximate == {}
    assert strict.proof.shift is None
    assert {g.name for g in loose.groups} - {g.name for g in strict.groups} == {
        g.name for g in loose.groups if not g.exact
    }


@pytest.mark.parametrize("criterion", ["random", "l1", "l2"])
def test_equal_seeds_give_equal_models(net: onnx.ModelProto, criterion: str) -> None:
    one, same = (graphprune.prune(net, channels=0.5, criterion=criterion, seed=3) for _ in range(2))
    assert one.model == same.model
    assert one.plan.to_json() == same.plan.to_json()
    other = graphprune.prune(net, channels=0.5, criterion=criterion, seed=4)
    assert (other.plan.kept.keys() == one.plan.kept.keys()) is True
    assert (str(other.plan.kept) == str(one.plan.kept)) is (criterion != "random")


@pytest.mark.parametrize("allocation", ["uniform", "global"])
def test_policies_meet_the_budget(net: onnx.ModelProto, allocation: str) -> None:
    result = graphprune.prune(net, macs=0.5, allocation=allocation)
    assert result.cost[1].macs <= 0.5 * result.cost[0].macs
    assert result.plan.method["allocation"] == allocation
    assert result.proof.ok


def test_unknown_options_are_refused(net: onnx.ModelProto) -> None:
    with pytest.raises(TypeError, match="rounding"):
        graphprune.prune(net, channels=0.5, rounding=8)
    with pytest.raises(BadData, match="no criterion"):
        graphprune.prune(net, channels=0.5, criterion="luck")
    assert Options().criterion == "l2"


def test_the_model_given_is_not_changed(net: onnx.ModelProto) -> None:
    before = net.SerializeToString()
    graphprune.prune(net, channels=0.5)
    assert net.SerializeToString() == before


def test_stages_are_announced(net: onnx.ModelProto) -> None:
    said: list[str] = []
    graphprune.prune(net, channels=0.5, stage=said.append)
    assert said == [
        "finding coupled channels",
        "scoring channels by l2",
        "choosing widths (uniform)",
        "rewriting the graph",
        "proving the result",
    ]


def test_given_inputs_are_proven_too(net: onnx.ModelProto) -> None:
    feeds = [{"x": np.full((1, 3, 8, 8), i, np.float32)} for i in range(3)]
    proof = graphprune.prune(net, feeds[:1], channels=0.5, data=feeds[1:]).proof
    assert proof.masked is not None
    assert (proof.masked.runs, proof.masked.given) == (5, 3)


def test_symbolic_sizes_come_with_shapes() -> None:
    m = Draft()
    x = m.op("Relu", m.op("Conv", m.input("x", "n", 3, "h", "w"), m.param("a", 8, 3, 3, 3)))
    m.types[x] = onnx.helper.make_tensor_type_proto(1, ["n", 8, "h2", "w2"])
    m.output(m.op("Conv", x, m.param("b", 4, 8, 1, 1)))
    model = m.proto()
    small = graphprune.prune(model, channels=0.5, shapes={"x": (2, 3, 10, 6)})
    assert small.proof.ok
    assert small.cost[0].memory == 4 * 2 * 4 * 8 * (8 + 8 + 4)
    dims = small.model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["n", 3, "h", "w"]
    with pytest.raises(InvalidModel, match="no input 'z'"):
        graphprune.prune(model, channels=0.5, shapes={"z": (1,)})


def test_a_plan_narrows_a_fresh_copy_the_same_way(net: onnx.ModelProto, tmp_path: Path) -> None:
    result = graphprune.prune(net, macs=0.5, criterion="random")
    onnx.save(net, tmp_path / "fresh.onnx")
    again = graphprune.apply(tmp_path / "fresh.onnx", Plan.from_json(result.plan.to_json()))
    assert again.proof.ok
    assert again.cost == result.cost
    assert again.model == result.model


@pytest.mark.parametrize("other", ["resnet", "mobilenet", "attention"])
def test_a_plan_for_another_model_is_refused(net: onnx.ModelProto, other: str) -> None:
    plan = graphprune.prune(net, channels=0.5, run=False).plan
    with pytest.raises(PlanMismatch):
        graphprune.apply(build(other), plan)


def test_a_plan_for_another_width_says_the_difference(net: onnx.ModelProto) -> None:
    plan = graphprune.prune(net, channels=0.5, run=False).plan
    m = Draft()
    x = blocks.conv_bn(m, m.input("x", 1, 3, 8, 8), 8)
    m.output(m.conv(x, 4))
    with pytest.raises(PlanMismatch) as error:
        graphprune.apply(m.proto(), plan)
    assert "of 'c1.w', of which there are [8]" in str(error.value)


def test_check_reads_the_embedded_plan(net: onnx.ModelProto, tmp_path: Path) -> None:
    result = graphprune.prune(net, channels=0.5)
    result.save(tmp_path / "small.onnx")
    proof = graphprune.check(net, tmp_path / "small.onnx")
    assert proof.ok
    assert proof.masked is not None


def test_check_finds_weights_that_were_changed_afterwards(net: onnx.ModelProto) -> None:
    small = graphprune.prune(net, channels=0.5).model
    weight = next(t for t in small.graph.initializer if t.name == "c3.w")
    array = onnx.numpy_helper.to_array(weight)[::-1].copy()
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    proof = graphprune.check(net, small)
    assert proof.replay.ok, "labels cannot see contents"
    assert not proof.ok
    assert graphprune.check(net, small, run=False).ok


def test_check_needs_a_plan(net: onnx.ModelProto) -> None:
    with pytest.raises(PlanMismatch, match="carries no plan"):
        graphprune.check(net, net)


def test_check_against_the_wrong_original(net: onnx.ModelProto) -> None:
    small = graphprune.prune(net, channels=0.5, run=False).model
    with pytest.raises(PlanMismatch):
        graphprune.check(build("resnet"), small)


def test_check_reads_contents_even_where_statistics_cannot_be_emulated() -> None:
    m = Draft()
    x = m.op("LRN", m.conv(m.input("x", 1, 3, 4, 4), 8), size=3)
    m.output(m.conv(x, 4))
    model = m.proto()
    small = graphprune.prune(model, channels=0.5).model
    assert graphprune.check(model, small).ok
    weight = next(t for t in small.graph.initializer if t.name == "c2.w")
    array = onnx.numpy_helper.to_array(weight)[:, ::-1].copy()
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    assert not graphprune.check(model, small).ok
