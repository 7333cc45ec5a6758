"""A pruned module as one file."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune import checkpoint  # noqa: E402
from graphprune.budget import Budget  # noqa: E402
from graphprune.errors import BadData, GraphpruneError  # noqa: E402
from graphprune.plan import Plan, Source  # noqa: E402

PLAN = Plan(Source("torch", "00", "Linear"), {}, Budget(channels=0.5), 0, {}, (), {})


def test_plan_and_weights_come_back(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    checkpoint.write(tmp_path / "small.gp", PLAN, module)
    plan, weights = checkpoint.read(tmp_path / "small.gp")
    assert plan.to_json() == PLAN.to_json()
    assert torch.equal(weights["weight"], module.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["small.gp"]


def test_further_entries_are_passed_over_by_who_does_not_ask_for_them(tmp_path: Path) -> None:
    module, path = torch.nn.Linear(3, 2), tmp_path / "small.gp"
    checkpoint.write(path, PLAN, module, {"epoch": 7, "format": "mine"})
    assert checkpoint.document(path)["epoch"] == 7
    assert checkpoint.read(path)[0].to_json() == PLAN.to_json()


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    torch.save({"format": checkpoint.FORMAT, "plan": print}, tmp_path / "evil.gp")
    with pytest.raises(BadData, match=r"this is no file of a pruned module"):
        checkpoint.read(tmp_path / "evil.gp")


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(GraphpruneError, match=r"the file cannot be written"):
        checkpoint.write(tmp_path / "none" / "small.gp", PLAN, torch.nn.Linear(3, 2))
