"""ONNX models pruned by what they compute on data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphprune.compiler import apply, check, prune
from graphprune.errors import BadData, UnsupportedModel
from graphprune.passes.allocate.global_ import Global
from graphprune.passes.score.random import Random
from graphprune.plan import Plan
from tests.onnxtext import model

pytest.importorskip("onnxruntime")

NET = """
    net (float[N,3,6,6] x) => (float[N,4] y)
    <float[12,3,3,3] a, float[10,12,3,3] b, float[4,10] w> {
        p = Conv<pads = [1,1,1,1]>(x, a)
        q = Relu(p)
        r = Conv(q, b)
        s = Relu(r)
        m = ReduceMean<axes = [2, 3], keepdims = 0>(s)
        y = Gemm<transB = 1>(m, w)
    }
"""


def batches(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((4, 3, 6, 6)).astype(np.float32)} for _ in range(count)]


def test_sensitivities_decide_widths_and_units() -> None:
    result = prune(model(NET), macs=0.5, criterion="pfp", allocation="pfp", data=batches(3))
    assert result.proof.ok
    assert result.cost[1].macs <= result.cost[0].macs / 2
    assert [found.group for found in result.guarantees] == ["g1", "g2"]
    assert any("sensitivities are over 12 data points" in note for note in result.notes)


def test_without_data_the_error_says_how_to_give_them() -> None:
    with pytest.raises(BadData, match=r"--data FILE\.npz"):
        prune(model(NET), macs=0.5, criterion="pfp")


def test_gradients_need_the_module() -> None:
    with pytest.raises(UnsupportedModel, match=r"gradients need the nn\.Module"):
        prune(model(NET), macs=0.5, criterion="taylor", data=batches(1))


@pytest.mark.parametrize("criterion", ["taylor", "pfp"])
def test_what_cannot_be_given_is_refused_before_the_model_is_read(criterion: str) -> None:
    with pytest.raises((UnsupportedModel, BadData), match=f"criterion '{criterion}'"):
        prune("there is no such file.onnx", macs=0.5, criterion=criterion)


def test_specs_and_passes_decide_alike() -> None:
    spec = prune(model(NET), macs=0.5, criterion="random", allocation="global: min_keep=0.50")
    made = prune(model(NET), macs=0.5, criterion=Random(), allocation=Global(min_keep=0.5))
    assert spec.plan.to_json() == made.plan.to_json()
    assert made.plan.method == {
        "criterion": "random",
        "allocation": "global:min_keep=0.5",
        "selection": "top",
        "round_to": 1,
    }


def test_a_method_is_its_passes() -> None:
    how = {"macs": 0.5, "data": batches(1)}
    whole = prune(model(NET), method="pfp:delta=1e-8", **how)
    delta = "pfp:delta=1e-8"
    apart = prune(model(NET), criterion=delta, allocation=delta, selection="top", **how)
    assert whole.plan.text() == apart.plan.text()
    assert whole.plan.method == {"method": delta, **apart.plan.method}
    assert {found.delta for found in whole.guarantees} == {1e-8}


def test_the_result_is_proven_on_the_first_batches() -> None:
    result = prune(model(NET), macs=0.5, data=iter(batches(12)))
    assert result.proof.masked is not None
    assert result.proof.masked.given == 8
    assert result.guarantees == ()


@pytest.mark.parametrize("method", ["pfp-random", "pfp-mixed"])
def test_sampled_channels_are_reweighted_proven_and_planned(method: str, tmp_path: Path) -> None:
    result = prune(model(NET), method=method, macs=0.4, data=batches(3), seed=1)
    assert result.proof.ok
    assert result.cost[1].macs <= result.cost[0].macs * 0.4
    assert set(result.plan.factors) <= {"b", "w"}
    assert result.plan.factors
    sampled = {found.group for found in result.guarantees if found.sampled}
    assert sampled
    again = apply(model(NET), Plan.from_json(result.plan.to_json()))
    assert again.model.graph.initializer == result.model.graph.initializer
    result.save(tmp_path / "small.onnx")
    assert check(model(NET), tmp_path / "small.onnx").ok
    # The same widths without factors are another model.
    plain = apply(model(NET), replace(result.plan, factors={}))
    plain.save(tmp_path / "plain.onnx")
    assert not check(model(NET), tmp_path / "plain.onnx", plan=result.plan).ok


def test_equal_seeds_draw_the_same_channels() -> None:
    how = {"method": "pfp-random", "macs": 0.4, "data": batches(2)}
    one, two, other = (prune(model(NET), **how, seed=seed) for seed in (5, 5, 6))
    assert one.plan.to_json() == two.plan.to_json()
    assert one.plan.factors.keys() == two.plan.factors.keys()
    assert other.plan.to_json() != one.plan.to_json()


def test_sampling_needs_sensitivities() -> None:
    with pytest.raises(BadData, match="selection 'sample' cannot use the scores of criterion"):
        prune(model(NET), macs=0.5, selection="sample")
