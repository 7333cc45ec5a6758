"""``graphprune prune``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from graphprune.passes.narrow import narrow
from graphprune.pipelines import onnx as pipeline
from tests.cli.running import DEMO, DIGITS, document, names, net, run, saved

QUICK = ("--bench-seconds", "0.1")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path, net())


def test_a_proven_model_and_its_plan_are_written(tmp_path: Path, model: Path) -> None:
    before, out = model.read_bytes(), tmp_path / "out.onnx"
    result = run("prune", model, "-o", out, "--channels", "0.5", *QUICK)
    assert result.exit_code == 0
    assert names(tmp_path) == ["net.onnx", "out.onnx", "out.plan.json"]
    assert model.read_bytes() == before
    assert "\nproven\n" in result.stdout
    assert "latency" in result.stdout
    weights = {t.name: list(t.dims) for t in onnx.load(out).graph.initializer}
    assert weights == {"a.weight": [8, 3, 3, 3], "b.weight": [4, 8, 3, 3], "c.weight": [4, 4, 1, 1]}
    assert run("verify", model, out).exit_code == 0


def test_json_is_one_document(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out.onnx"
    result = run("prune", model, "-o", out, "--macs", "0.5", "--seed", "3", "--json", *QUICK)
    found = document(result)
    assert result.stderr == ""
    assert found["output"] == str(out)
    assert found["plan"] == str(tmp_path / "out.plan.json")
    assert found["cost"]["after"]["macs"] <= found["cost"]["before"]["macs"] / 2
    assert found["cost"]["after"]["bytes"] == out.stat().st_size
    assert found["budget"] == {"macs": 0.5}
    assert found["method"]["criterion"] == "l2"
    assert found["seed"] == 3
    assert found["proof"]["ok"] is True
    assert found["proof"]["masked"]["runs"] == 2
    assert found["latency"]["rounds"] >= 6
    assert {"name", "width", "kept"} <= found["groups"][0].keys()


def test_budgets_and_choices_reach_the_plan(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out.onnx"
    words = ("--params", "80%", "--memory", "90%", "--criterion", "l1", "--allocation", "global")
    result = run("prune", model, "-o", out, *words, "--round", "2", "--json", "--no-bench")
    found = document(result)
    assert found["budget"] == {"params": 0.8, "memory": 0.9}
    assert found["method"] == {
        "criterion": "l1",
        "allocation": "global",
        "selection": "top",
        "round_to": 2,
    }
    assert all(group["kept"] % 2 == 0 for group in found["groups"])
    assert found["latency"] is None


def test_specs_reach_the_plan_in_one_spelling(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out.onnx"
    words = ("--macs", "0.5", "--method", "l1", "--allocation", "global: min_keep=0.50")
    found = document(run("prune", model, "-o", out, *words, "--json", "--no-bench"))
    assert found["method"] == {
        "method": "l1",
        "criterion": "l1",
        "allocation": "global:min_keep=0.5",
        "selection": "top",
        "round_to": 1,
    }
    assert all(group["kept"] >= group["width"] / 2 for group in found["groups"])
    plan = json.loads((tmp_path / "out.plan.json").read_text())
    assert plan["method"] == found["method"]


def test_one_name_is_a_whole_method(tmp_path: Path) -> None:
    words: list[object] = ["prune", DIGITS, "-o", tmp_path / "out.onnx", "--macs", "0.5", "--json"]
    words += ["--no-bench", "--data", DEMO / "calibration.npz"]
    found = document(run(*words, "--method", "pfp:delta=1e-8"))
    assert found["proof"]["ok"] is True
    assert {guarantee["delta"] for guarantee in found["guarantees"]} == {1e-8}
    assert found["method"]["criterion"] == found["method"]["allocation"] == "pfp:delta=1e-8"


@pytest.mark.parametrize("name", ["taylor", "taylor:joint=true"])
def test_gradients_of_a_file_are_refused_before_it_is_analysed(
    tmp_path: Path, model: Path, name: str
) -> None:
    words = ("--macs", "0.5", "--criterion", name)
    result = run("prune", model, "-o", tmp_path / "out.onnx", *words)
    assert (result.exit_code, names(tmp_path)) == (2, ["net.onnx"])
    assert result.stderr == (
        f"UnsupportedModel: criterion '{name}' cannot be used on an ONNX model\n"
        "  why:   it looks at the gradients of a loss, and gradients need the nn.Module\n"
        "  fix:   prune the module before it is exported: graphprune.prune(module, inputs, "
        "data=..., loss=...); or choose what needs no gradients: graphprune passes\n"
    )


def test_keep_leaves_a_layer_whole(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out.onnx"
    half = ("prune", model, "-o", out, "--channels", "0.5", "--json", "--no-bench")
    assert run(*half, "--keep", "b", "--keep", "c*").exit_code == 2
    found = document(run(*half, "--keep", "c"))
    assert [(g["name"], g["kept"]) for g in found["groups"]] == [("g1", 8)]


def test_data_are_run_in_the_proof(tmp_path: Path) -> None:
    words = ("--macs", "0.5", "--data", DEMO / "calibration.npz", "--json", "--no-bench")
    found = document(run("prune", DIGITS, "-o", tmp_path / "out.onnx", *words))
    assert found["proof"]["masked"]["given"] == 8
    assert found["proof"]["masked"]["runs"] == 10


def test_sensitivities_are_measured_on_data(tmp_path: Path) -> None:
    words: list[object] = ["prune", DIGITS, "-o", tmp_path / "out.onnx", "--macs", "0.5"]
    words += ["--no-bench", "--criterion", "pfp", "--allocation", "pfp"]
    assert "criterion 'pfp' needs data" in run(*words).stderr
    words += ["--data", DEMO / "calibration.npz"]
    found = document(run(*words, "--json"))
    assert found["proof"]["ok"] is True
    assert found["cost"]["after"]["macs"] <= 0.5 * found["cost"]["before"]["macs"]
    assert len(found["guarantees"]) == len(found["groups"])
    shown = run(*words, "--verbose", "--overwrite").stdout
    assert "group  sensitivity  " in shown
    assert "epsilon is heuristic" in shown


def test_a_plan_can_be_applied_again(tmp_path: Path, model: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert run("prune", model, "-o", first, "--macs", "0.5", "--no-bench").exit_code == 0
    plan = tmp_path / "first.plan.json"
    assert run("prune", model, "-o", second, "--plan", plan, "--no-bench").exit_code == 0
    assert first.read_bytes() == second.read_bytes()
    result = run("prune", DIGITS, "-o", second, "--plan", plan, "--no-bench")
    assert result.exit_code == 2
    assert result.stderr.startswith("PlanMismatch: ")


def test_quiet_and_verbose(tmp_path: Path, model: Path) -> None:
    words = ("prune", model, "-o", tmp_path / "out.onnx", "--macs", "0.5", "--no-bench")
    result = run(*words, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    result = run(*words, "--verbose")
    assert "s  finding coupled channels" in result.stderr
    assert "g1        16" in result.stdout
    assert run(*words, "-v", "-q").exit_code == 2


def test_a_private_operator_is_narrowed_on_labels(tmp_path: Path) -> None:
    model, out = saved(tmp_path, net(foreign=True)), tmp_path / "out.onnx"
    result = run("prune", model, "-o", out, "--macs", "0.6")
    assert result.exit_code == 2
    assert result.stderr.startswith("BackendError: onnxruntime cannot run the original model")
    assert "--no-run" in result.stderr
    assert names(tmp_path) == ["net.onnx"]
    result = run("prune", model, "-o", out, "--macs", "0.6", "--no-run")
    assert result.exit_code == 0
    assert "proven on labels" in result.stdout


def test_the_input_is_overwritten_only_if_allowed(tmp_path: Path, model: Path) -> None:
    before = model.read_bytes()
    result = run("prune", model, "-o", model, "--macs", "0.5")
    assert (result.exit_code, model.read_bytes()) == (2, before)
    assert result.stderr.startswith("BadData: the output is the input")
    result = run("prune", model, "-o", model, "--macs", "0.5", "--overwrite", "--json", *QUICK)
    assert model.read_bytes() != before
    assert document(result)["latency"] is not None


def test_external_data_stay_external(tmp_path: Path) -> None:
    path, out = tmp_path / "net.onnx", tmp_path / "out.onnx"
    onnx.save(net(), path, save_as_external_data=True, location="w.data", size_threshold=0)
    found = document(run("prune", path, "-o", out, "--macs", "0.5", "--json", "--no-bench"))
    data = tmp_path / "out.onnx.data"
    assert found["cost"]["after"]["bytes"] == out.stat().st_size + data.stat().st_size
    result = run("prune", path, "-o", tmp_path / "w.data", "--macs", "0.5")
    assert result.stderr.startswith("BadData: the output would replace the input's external data")


class TestAFailedProof:
    """A plan whose result is made wrong on purpose."""

    @pytest.fixture(autouse=True)
    def spoiled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrongly(*arguments: Any) -> Any:
            narrowed = narrow(*arguments)
            wrong = {name: (lambda s=s: s() + 1) for name, s in narrowed.tensors.items()}
            return replace(narrowed, tensors=wrong)

        monkeypatch.setattr(pipeline, "narrow", wrongly)

    def test_nothing_is_written(self, tmp_path: Path, model: Path) -> None:
        result = run("prune", model, "-o", tmp_path / "out.onnx", "--macs", "0.5")
        assert result.exit_code == 1
        assert result.stderr.startswith("NotEquivalent: ")
        assert "NOT EQUIVALENT" in result.stdout
        assert names(tmp_path) == ["net.onnx"]

    def test_json_says_so(self, tmp_path: Path, model: Path) -> None:
        result = run("prune", model, "-o", tmp_path / "out.onnx", "--macs", "0.5", "--json")
        found = document(result)
        assert (result.exit_code, result.stderr) == (1, "")
        assert found["output"] is None
        assert found["proof"]["ok"] is False

    def test_it_is_written_where_that_is_wanted(self, tmp_path: Path, model: Path) -> None:
        out = tmp_path / "out.onnx"
        result = run("prune", model, "-o", out, "--macs", "0.5", "--unproven", "--no-bench")
        assert (result.exit_code, out.exists()) == (1, True)


@pytest.mark.parametrize("text", ["0", "-1", "abc", "200%", "nan", "inf", "", "1..2"])
def test_budgets_that_make_no_sense(tmp_path: Path, model: Path, text: str) -> None:
    result = run("prune", model, "-o", tmp_path / "out.onnx", "--macs", text)
    assert result.exit_code == 2
    assert result.stderr.startswith("BadData: ")
    assert f"where: --macs {text}" in result.stderr
    assert names(tmp_path) == ["net.onnx"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "at least one of --macs"),
        (("--macs", "0.5", "--criterion", "l9"), "no criterion is called 'l9'"),
        (("--macs", "0.5", "--allocation", "global:x=1"), "policy 'global' has no option 'x'"),
        (("--macs", "0.5", "--selection", "top:"), "selector 'top:' cannot be read"),
        (("--macs", "0.5", "--method", "pfp:delta=small"), "method 'pfp' cannot be 'small'"),
        (("--macs", "0.5", "--allocation", "l9"), "no policy is called 'l9'"),
        (("--macs", "0.5", "--plan", "p.json"), "the plan decides already"),
        (("--keep", "a", "--plan", "p.json"), "the plan decides already"),
        (("--plan", "p.json"), "the plan cannot be read"),
        (("--macs", "0.5", "--round", "0"), "--round"),
        (("--macs", "0.5", "--seed", "-1"), "--seed"),
        (("--macs", "0.5", "--bench-seconds", "0"), "--bench-seconds"),
        (("--macs", "0.5", "--no-run", "--data", "d.npz"), "nothing is run with --no-run"),
        (("--macs", "0.5", "--no-run", "--bench"), "nothing is run with --no-run"),
        (("--macs", "0.5", "--data", "missing.npz"), "no such file"),
        (("--macs", "0.5", "--keep", "nope"), "matches no layer"),
        (("--macs", "0.5", "--keep", "*"), "nothing in this model can be narrowed"),
        (("--macs", "7"), "macs cannot be brought down to 7"),
        (("--channels", "2"), "'channels' cannot be 2"),
    ],
)
def test_refused(tmp_path: Path, model: Path, words: tuple[str, ...], message: str) -> None:
    result = run("prune", model, "-o", tmp_path / "out.onnx", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert names(tmp_path) == ["net.onnx"]


def test_data_that_do_not_fit(tmp_path: Path) -> None:
    result = run("prune", DIGITS, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--data",
                 DEMO / "test.npz")  # fmt: skip
    assert result.exit_code == 2
    assert "unknown: labels" in result.stderr
    np.savez(tmp_path / "d.npz", images=np.zeros((4, 1, 8, 7), np.float32))
    result = run("prune", DIGITS, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--data",
                 tmp_path / "d.npz")  # fmt: skip
    assert "axis 3 has size 7, expected 8" in result.stderr
    assert names(tmp_path) == ["d.npz"]


def test_a_model_that_cannot_be_timed_is_written_all_the_same(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphprune.errors import BackendError
    from graphprune.measure import models

    def refuse(*arguments: object, **options: object) -> None:
        raise BackendError("cannot build a session", why="no memory")

    monkeypatch.setattr(models, "compare", refuse)
    result = run("prune", model, "-o", tmp_path / "out.onnx", "--macs", "0.5")
    assert result.exit_code == 0
    assert "not timed: cannot build a session: no memory" in result.stdout


def test_output_folder_must_exist(tmp_path: Path) -> None:
    model = tmp_path / "copy.onnx"
    shutil.copy(DIGITS, model)
    result = run("prune", model, "-o", tmp_path / "no" / "out.onnx", "--macs", "0.5")
    assert result.stderr.startswith("BadData: the folder of the output does not exist")
    assert names(tmp_path) == ["copy.onnx"]
