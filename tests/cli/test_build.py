"""``graphprune build``."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from tests.backends.tensorrt import faking
from tests.cli.running import document, net, run, saved

pytestmark = faking.needed


@pytest.fixture
def python(tmp_path: Path) -> str:
    return faking.interpreter(tmp_path, "10.3.0")


def test_an_engine_and_what_was_measured_of_it(tmp_path: Path, python: str) -> None:
    model, out = saved(tmp_path, net(size=4)), tmp_path / "net.engine"
    words = ("build", model, "-o", out, "--fp16", "--shapes", "x:1x3x4x4", "--python", python)
    lines = run(*words, "--layers").stdout.splitlines()
    assert lines[0].startswith(f"wrote {out} (")
    assert lines[1].strip() == (
        "tensorrt 10.3.0, Fake GPU (latency, CUDA graph), fp16, 1 thread, not pinned"
    )
    assert lines[2].strip().startswith("largest relative error against onnxruntime: ")
    assert [line.split()[-1] for line in lines[-3:]] == ["g1", "g2", "g2"]
    assert out.exists() and (tmp_path / "net.engine.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--minShapes=x:1x3x4x4", "--optShapes=x:2x3x4x4", "--maxShapes=x:4x3x4x4"),
        ("--trt-min-shapes", "x:[1,3,4,4]", "--trt-max-shapes", "x:[4,3,4,4]"),
    ],
)
def test_ranges_as_trtexec_and_polygraphy_spell_them(
    words: tuple[str, ...], tmp_path: Path, python: str
) -> None:
    model, out = saved(tmp_path, net(size=4)), tmp_path / "net.engine"
    found = document(run("build", model, "-o", out, *words, "--python", python, "--json"))
    assert found["error"] < 1e-6
    assert found["conditions"]["backend"] == "tensorrt"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give it, such as --shapes x:1x3x4x4"),
        (("--shapes", "x:1x3"), "shape [1, 3] does not fit input 'x'"),
        (("--shapes", "x:1x3x4x4", "--int8"), "int8 is built from graphs with QuantizeLinear"),
        (("--shapes", "nonsense"), "'nonsense' is not a shape"),
        (("--shapes", "x:1x3x4x4", "--workspace", "0.5"), "'0.5' is no number of bytes"),
        (("--shapes", "x:1x3x4x4", "--fp16", "--bf16"), "exclude each other"),
    ],
)
def test_what_cannot_be_built(
    words: tuple[str, ...], told: str, tmp_path: Path, python: str
) -> None:
    model, out = saved(tmp_path, net(size=4)), tmp_path / "net.engine"
    done = run("build", model, "-o", out, "--python", python, *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not out.exists()


def test_options_that_the_backend_does_not_have(tmp_path: Path) -> None:
    model = saved(tmp_path, net(size=4))
    words = ("--backend", "onnxruntime", "--shapes", "x:1x3x4x4")
    done = run("build", model, "-o", tmp_path / "a.ort", *words, "--workspace", "1GiB")
    assert done.exit_code == 2
    assert "backend 'onnxruntime' knows nothing of workspace" in done.stderr


def test_without_tensorrt_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = faking.interpreter(tmp_path, "10.3.0", "no-libraries")
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", python)
    model = saved(tmp_path, net(size=4))
    done = run("build", model, "-o", tmp_path / "a.engine", "--shapes", "x:1x3x4x4")
    assert done.exit_code == 2
    assert "BackendUnavailable: backend 'tensorrt' cannot be used here" in done.stderr
    assert "pip install 'graphprune[tensorrt]'" in done.stderr
    assert "pip install tensorrt==8.5.3.1" in done.stderr


def test_a_builder_that_hangs_is_ended(tmp_path: Path) -> None:
    model = saved(tmp_path, net(size=4))
    python = faking.interpreter(tmp_path, "10.3.0", "build-hang")
    words = ("--shapes", "x:1x3x4x4", "--python", python, "--limit", "3")
    done = run("build", model, "-o", tmp_path / "a.engine", *words)
    assert done.exit_code == 2
    assert "took more than 3 s to build, and was ended" in done.stderr
    assert "[INFO] the fake starts to try kernels" in done.stderr


def test_bench_runs_on_it_as_on_any_other(tmp_path: Path, python: str) -> None:
    model = saved(tmp_path, net(size=4))
    words = ("--backend", "tensorrt", "--fp16", "--python", python, "--seconds", "0.5")
    found = document(run("bench", model, *words, "--shape", "x:1x3x4x4", "--json"))
    assert found["conditions"]["version"] == "10.3.0"


def test_prune_builds_one_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "small.onnx"
    words = ("prune", saved(tmp_path, net(size=4)), "-o", out, "--channels", "0.5", "--no-bench")
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", faking.interpreter(tmp_path, "10.3.0"))
    found = document(run(*words, "--export", "tensorrt:fp16", "--json"))
    assert found["engine"]["conditions"]["precision"] == "fp16"
    assert (tmp_path / "small.engine").exists()
    assert run(*words, "--export", "elsewhere").exit_code == 2


def test_prune_refuses_what_cannot_be_built_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", str(tmp_path / "nowhere"))
    out = tmp_path / "small.onnx"
    words = ("prune", saved(tmp_path, net(size=4)), "-o", out, "--channels", "0.5")
    done = run(*words, "--export", "tensorrt")
    assert done.exit_code == 2
    assert "backend 'tensorrt' cannot be used here" in done.stderr
    assert not out.exists()
