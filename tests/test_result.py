"""What a pruning gives, and that it is written only when it is proven."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

import graphprune
from graphprune.errors import BadData, GraphpruneError, NotEquivalent, PlanMismatch
from graphprune.passes.verify import Comparison, Proof, Replay
from graphprune.plan import Plan
from graphprune.result import METADATA_KEY, Result, embedded_plan, plan_path
from tests.nets import build


@pytest.fixture(scope="module")
def result() -> Result:
    return graphprune.prune(build("resnet"), channels=0.5)


def test_the_model_and_its_plan_lie_side_by_side(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "small.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.onnx", "small.plan.json"]
    assert onnx.load(tmp_path / "small.onnx") == result.model
    text = (tmp_path / "small.plan.json").read_text(encoding="utf-8")
    assert text == result.plan.to_json()
    assert plan_path(tmp_path / "small.onnx") == tmp_path / "small.plan.json"


def test_the_plan_is_in_the_model_too(result: Result, tmp_path: Path) -> None:
    result.save(str(tmp_path / "small.onnx"))
    found = embedded_plan(tmp_path / "small.onnx")
    assert isinstance(found, Plan)
    assert found.to_json() == result.plan.to_json()
    assert [p.key for p in result.model.metadata_props] == [METADATA_KEY]


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        (
            Proof(Replay(True, 9), Comparison({"y": 0.25}, 2), 1e-5, {}),
            "largest relative error 0.25, accepted are 1e-05",
        ),
        (
            Proof(
                Replay(False, 9, ("different channels meet at conv 'c'", "twice")), None, 1e-5, {}
            ),
            "different channels meet at conv 'c'; twice",
        ),
    ],
)
def test_what_is_not_proven_is_not_written(
    result: Result, proof: Proof, why: str, tmp_path: Path
) -> None:
    doubtful = replace(result, proof=proof)
    with pytest.raises(NotEquivalent) as error:
        doubtful.save(tmp_path / "small.onnx")
    assert error.value.why == why
    assert list(tmp_path.iterdir()) == []
    doubtful.save(tmp_path / "small.onnx", unproven=True)
    assert (tmp_path / "small.onnx").is_file()


def test_a_folder_that_is_not_there(result: Result, tmp_path: Path) -> None:
    with pytest.raises(GraphpruneError, match="the file cannot be written"):
        result.save(tmp_path / "nowhere" / "small.onnx")


def test_an_older_file_is_replaced_in_one_step(result: Result, tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(b"old")
    result.save(tmp_path / "small.onnx")
    result.save(tmp_path / "small.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.onnx", "small.plan.json"]


def test_a_model_without_a_plan_and_one_with_a_broken_plan() -> None:
    model = build("resnet")
    with pytest.raises(PlanMismatch, match="the model carries no plan"):
        embedded_plan(model)
    model.metadata_props.add(key=METADATA_KEY, value="{}")
    with pytest.raises(BadData, match="not a plan"):
        embedded_plan(model)


def test_groups_are_those_of_the_original(result: Result) -> None:
    assert [g.width for g in result.groups] == [8, 6, 10]
    assert result.cost[1].params < result.cost[0].params
    assert result.notes == ()
