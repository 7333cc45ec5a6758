"""``graphprune verify``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.cli.running import DEMO, DIGITS, document, net, run, saved


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    original, small = saved(tmp_path, net()), tmp_path / "small.onnx"
    assert run("prune", original, "-o", small, "--macs", "0.5", "--no-bench").exit_code == 0
    return original, small


def spoil(path: Path) -> None:
    """Exchanges two channels of one weight, and nothing else."""
    model = onnx.load(path)
    weight = next(t for t in model.graph.initializer if t.name == "b.weight")
    array = numpy_helper.to_array(weight).copy()
    array[:, [0, 1]] = array[:, [1, 0]]
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)


def test_proven(pair: tuple[Path, Path]) -> None:
    result = run("verify", *pair)
    assert result.exit_code == 0
    assert result.stdout.startswith("proven\n")
    assert "over 2 random inputs" in result.stdout


def test_json(pair: tuple[Path, Path]) -> None:
    found = document(run("verify", *pair, "--json", "--runs", "3"))
    assert found["ok"] is True
    assert found["masked"]["runs"] == 3
    assert found["masked"]["worst_relative_error"] <= found["masked"]["tolerance"]


def test_exchanged_channels_are_found(pair: tuple[Path, Path]) -> None:
    spoil(pair[1])
    result = run("verify", *pair)
    assert result.exit_code == 1
    assert result.stdout.startswith("NOT EQUIVALENT\n")
    result = run("verify", *pair, "--json")
    assert (result.exit_code, document(result)["ok"]) == (1, False)
    result = run("verify", *pair, "-q")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_plan_beside_the_model(pair: tuple[Path, Path]) -> None:
    original, small = pair
    model = onnx.load(small)
    del model.metadata_props[:]
    onnx.save(model, small)
    result = run("verify", original, small)
    assert result.exit_code == 2
    assert result.stderr.startswith("PlanMismatch: the model carries no plan")
    plan = small.with_suffix(".plan.json")
    assert run("verify", original, small, "--plan", plan).exit_code == 0


def test_without_running(tmp_path: Path) -> None:
    original, small = saved(tmp_path, net(foreign=True)), tmp_path / "small.onnx"
    words = ("prune", original, "-o", small, "--macs", "0.6", "--no-run")
    assert run(*words).exit_code == 0
    result = run("verify", original, small)
    assert result.exit_code == 2
    assert "--no-run" in result.stderr
    result = run("verify", original, small, "--no-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("proven on labels\n")


def test_data(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones((3, 3, 8, 8), np.float32))
    found = document(run("verify", *pair, "--data", tmp_path / "x.npz", "--json"))
    assert found["masked"]["given"] == 3
    assert run("verify", *pair, "--data", DEMO / "test.npz").exit_code == 2
    assert run("verify", *pair, "--data", tmp_path / "x.npz", "--no-run").exit_code == 2


def test_models_that_have_nothing_in_common(pair: tuple[Path, Path]) -> None:
    result = run("verify", DIGITS, pair[1])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("PlanMismatch: the model has no parameter 'a.weight'")
    result = run("verify", pair[0], "missing.onnx")
    assert result.stderr.startswith("InvalidModel: ")


def test_weights_that_sampling_multiplied_are_proven_with_their_factors(tmp_path: Path) -> None:
    original, small = saved(tmp_path, net()), tmp_path / "small.onnx"
    drawn = np.random.default_rng(0).standard_normal((8, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=drawn)
    words = ("--method", "pfp-random", "--data", tmp_path / "x.npz", "--macs", "0.5")
    result = run("prune", original, "-o", small, *words, "--no-bench", "--verbose")
    assert result.exit_code == 0
    assert "channels are drawn and weights made up for it" in result.stdout
    assert run("verify", original, small).exit_code == 0
    plan = small.with_suffix(".plan.json")
    assert run("prune", original, "-o", tmp_path / "again.onnx", "--plan", plan, "--no-bench")
    assert (tmp_path / "again.onnx").read_bytes() == small.read_bytes()
    text = plan.read_text().replace('"factors"', '"other"')
    plan.write_text(text)
    result = run("verify", original, small, "--plan", plan)
    assert (result.exit_code, result.stdout[:14]) == (1, "NOT EQUIVALENT")
