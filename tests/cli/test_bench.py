"""``graphprune bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import DIGITS, document, net, run, saved

SHORT = ("--seconds", "0.1")


def test_one_model() -> None:
    result = run("bench", DIGITS, *SHORT)
    assert result.exit_code == 0
    assert "images [1, 1, 8, 8]" in result.stdout
    assert "p50 " in result.stdout
    found = document(run("bench", DIGITS, *SHORT, "--threads", "1", "--json"))
    assert found["latency"]["calls"] > 1
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"]
    assert found["inputs"] == {"images": [1, 1, 8, 8]}


def test_two_models() -> None:
    result = run("bench", DIGITS, DIGITS, *SHORT)
    assert result.exit_code == 0
    assert "B is " in result.stdout
    assert "interval" in result.stdout
    found = document(run("bench", DIGITS, DIGITS, *SHORT, "--json"))
    assert found["low"] <= found["speedup"] <= found["high"]


def test_shapes_that_are_left_open(tmp_path: Path) -> None:
    path = saved(tmp_path, net(size="S"))
    found = document(run("bench", path, *SHORT, "--shape", "x:2x3x5x5", "--json"))
    assert found["inputs"] == {"x": [2, 3, 5, 5]}


def test_quiet_says_nothing() -> None:
    assert run("bench", DIGITS, *SHORT, "-q").stdout == ""


def test_models_with_other_inputs(tmp_path: Path) -> None:
    result = run("bench", DIGITS, saved(tmp_path, net()), *SHORT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("BadData: the models take different inputs")


def test_models_that_cannot_be_run(tmp_path: Path) -> None:
    result = run("bench", saved(tmp_path, net(foreign=True)), *SHORT)
    assert result.exit_code == 2
    assert result.stderr.startswith("BackendError: cannot build a session")
    assert run("bench", DIGITS, "--seconds", "0").exit_code == 2
    assert run("bench", DIGITS, "--threads", "0").exit_code == 2


def test_a_sweep_of_batch_sizes() -> None:
    found = document(run("bench", DIGITS, DIGITS, *SHORT, "--batch", "1,4", "--json"))["results"]
    assert [one["inputs"]["images"][0] for one in found] == [1, 4]
    assert all(one["low"] <= one["speedup"] <= one["high"] for one in found)
    assert run("bench", DIGITS, *SHORT, "--batch", "1,4").stdout.count("samples/s") == 2


def test_outputs_are_compared_first() -> None:
    found = document(run("bench", DIGITS, *SHORT, "--json"))
    assert 0 <= found["error"] < 1e-5
    assert found["conditions"]["backend"] == "onnxruntime"
    assert document(run("bench", DIGITS, *SHORT, "--no-check", "--json"))["error"] is None


def test_half_precision() -> None:
    found = document(run("bench", DIGITS, *SHORT, "--fp16", "--json"))
    assert found["conditions"]["precision"] == "fp16"
    assert found["error"] < 2e-2
    refused = run("bench", DIGITS, *SHORT, "--bf16")
    assert refused.exit_code == 2
    assert "onnxruntime builds no bf16 engine" in refused.stderr


def test_an_engine_in_a_process_of_its_own() -> None:
    found = document(run("bench", DIGITS, DIGITS, *SHORT, "--isolated", "--json"))
    assert found["rounds"] >= 6
    assert run("bench", DIGITS, "--limit", "1").exit_code == 2


def test_samples_are_written(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    assert run("bench", DIGITS, DIGITS, *SHORT, "--samples", path, "-q").stdout == ""
    [found] = json.loads(path.read_text())["results"]
    assert set(found["samples"]) == {"a", "b", "again"}
    assert len(found["samples"]["a"]) == found["rounds"]
    refused = run("bench", DIGITS, *SHORT, "--samples", tmp_path / "absent" / "x.json")
    assert refused.stderr.startswith("BadData: the samples cannot be written")


def test_json_with_a_file_after_it_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    result = run("bench", DIGITS, *SHORT, "--json", path)
    assert "p50 " in result.stdout
    [found] = json.loads(path.read_text())["results"]
    assert len(found["samples"]) == found["latency"]["calls"]
    assert found["readings"]["machine"]["cores"] >= 1
    assert {"clocks", "temperatures", "load", "gpus"} == set(found["readings"]["after"])
    assert str(tmp_path) not in path.read_text()
    flag = document(run("bench", "--json", DIGITS, *SHORT))
    assert flag["models"] == ["digits.onnx"]


def test_several_models_are_compared_with_the_first() -> None:
    found = document(run("bench", DIGITS, DIGITS, DIGITS, *SHORT, "--json"))["results"]
    assert [one["models"] for one in found] == 2 * [["digits.onnx", "digits.onnx"]]
    assert found[0]["macs"][0] == found[0]["macs"][1] > 0


def test_layers_and_transfers() -> None:
    found = document(run("bench", DIGITS, *SHORT, "--per-layer", "--with-transfers", "--json"))
    assert found["transfers"]
    assert len(found["layers"]) > 5
    shown = run("bench", DIGITS, DIGITS, *SHORT, "--per-layer").stdout
    assert "before" in shown
    assert "with transfers" not in shown


def test_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "out.svg"
    words = ("bench", DIGITS, DIGITS, *SHORT, "--batch", "1,2", "-q", "--plot")
    assert run(*words, path).exit_code == 0
    assert "MACs before / after" in path.read_text()
    for refused in ((*words, tmp_path / "x.pdf"), ("bench", DIGITS, "--plot", path)):
        result = run(*refused)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("BadData: a p")


def test_a_limit_on_memory_needs_a_process() -> None:
    result = run("bench", DIGITS, *SHORT, "--memory-limit", "4GiB")
    assert result.stderr.startswith(
        "BadData: only an engine in a process of its own can be limited"
    )


def test_backends_that_cannot_be_used() -> None:
    result = run("bench", DIGITS, "--backend", "crystal")
    assert result.exit_code == 2
    assert result.stderr.startswith("BackendUnavailable: there is no backend named 'crystal'")
