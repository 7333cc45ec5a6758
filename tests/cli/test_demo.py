"""``graphprune demo``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import document, names, run

SHORT = ("--seconds", "0.1")


def test_it_proves_tests_and_times() -> None:
    result = run("demo", *SHORT)
    assert result.exit_code == 0
    assert "\nproven\n" in result.stdout
    assert "accuracy       99.4%" in result.stdout
    assert "speed-up" in result.stdout


def test_json(tmp_path: Path) -> None:
    found = document(run("demo", *SHORT, "--json"))
    assert found["proof"]["ok"] is True
    assert found["proof"]["masked"]["given"] == 8
    assert found["accuracy"]["images"] == 500
    assert found["accuracy"]["right"][0] == 497
    assert found["cost"]["after"]["macs"] <= found["cost"]["before"]["macs"] / 2


def test_files_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    result = run("demo", *SHORT, "--out", folder)
    assert "verify digits.onnx digits-half.onnx" in result.stdout
    assert names(folder) == [
        "calibration.npz",
        "digits-half.onnx",
        "digits-half.plan.json",
        "digits.onnx",
        "test.npz",
    ]
    assert run("verify", folder / "digits.onnx", folder / "digits-half.onnx").exit_code == 0


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("demo", *SHORT, "--out", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("BadData: the folder cannot be made")
