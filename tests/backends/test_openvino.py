"""OpenVINO engines: running, timing, saving, and what their errors become."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphprune.backends import base
from graphprune.backends.isolated import Isolated
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.openvino import OpenVino
from graphprune.backends.openvino_engine import OpenVinoEngine
from graphprune.data import InputSpec, random_feeds
from graphprune.errors import BackendError, BackendUnavailable
from tests.backends.test_onnxruntime import linear, ones

DIGITS = Path(__file__).resolve().parents[2] / "graphprune" / "demo_data" / "digits.onnx"


def test_absence_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable) as caught:
        base.get("openvino")
    assert caught.value.fix == "pip install 'graphprune[openvino]'"
    with pytest.raises(BackendUnavailable):
        OpenVino().build(linear())


@pytest.fixture
def backend() -> OpenVino:
    pytest.importorskip("openvino")
    return OpenVino()


def test_a_model_runs_from_every_kind_of_source(backend: OpenVino, tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    onnx.save(linear(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    for source in (linear(), linear().SerializeToString(), path, str(path)):
        with closing(backend.build(source, threads=1)) as engine:
            assert engine.inputs == (InputSpec("x", (None, 4), np.dtype("float32")),)
            assert engine.outputs == ("y",)
            assert engine.run(ones(3))["y"].tolist() == [[4, 4]] * 3


def test_it_agrees_with_onnxruntime(backend: OpenVino) -> None:
    engine = backend.build(DIGITS, threads=1)
    feeds = random_feeds(engine.inputs, default=3)
    expected = OnnxRuntime(optimization="none").build(DIGITS).run(feeds)
    found = engine.run(feeds)
    assert list(found) == list(expected)
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-4, atol=1e-5)


def test_conditions_shapes_and_times(backend: OpenVino) -> None:
    engine = backend.build(DIGITS, shapes={"images": (2, 1, 8, 8)}, threads=1)
    assert (engine.conditions.backend, engine.conditions.threads) == ("openvino", 1)
    assert not engine.conditions.pinned
    assert engine.inputs[0].shape == (2, 1, 8, 8)
    feeds = random_feeds(engine.inputs)
    assert len(engine.time(feeds, seconds=0.02, warmup=0.0)) > 1
    profile = engine.profile(feeds, seconds=0.02)
    assert len(profile) > 5
    assert 0 < sum(profile.values()) < 1
    with pytest.raises(BackendError, match="cannot run the model"):
        engine.run(random_feeds([InputSpec("images", (3, 1, 8, 8), np.dtype("float32"))]))


def test_a_precision_the_processor_lacks_is_refused_not_replaced(backend: OpenVino) -> None:
    known = __import__("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, capability in (("fp16", "FP16"), ("bf16", "BF16")):
        if capability in known:
            assert build(backend, precision).conditions.precision == precision
        else:
            with pytest.raises(BackendError, match=f"openvino builds no {precision} engine"):
                build(backend, precision)


def build(backend: OpenVino, precision: str) -> OpenVinoEngine:
    return backend.build(DIGITS, precision=precision)  # type: ignore[arg-type]


def test_a_saved_engine_is_loaded_and_a_damaged_one_refused(
    backend: OpenVino, tmp_path: Path
) -> None:
    path = tmp_path / "digits.blob"
    engine = backend.build(DIGITS, threads=1)
    engine.save(path)
    loaded = backend.load(path, threads=1)
    feeds = random_feeds(engine.inputs)
    assert np.array_equal(loaded.run(feeds)["logits"], engine.run(feeds)["logits"])
    assert (loaded.conditions.threads, backend.load(path, threads=2).conditions.threads) == (1, 2)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
        backend.load(path)
    assert caught.value.why == "it is damaged: its checksum is another"
    with pytest.raises(BackendError, match="the saved engine cannot be used"):
        backend.load(tmp_path / "absent.blob")


def test_an_engine_of_another_model_is_refused(backend: OpenVino, tmp_path: Path) -> None:
    path = tmp_path / "digits.engine"
    backend.build(DIGITS, threads=1).save(path)
    assert backend.load(path, model=DIGITS).outputs == ("logits",)
    with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
        backend.load(path, model=linear())
    assert caught.value.why == "it was built from another model"


def test_a_cached_engine_is_not_compiled_again(
    backend: OpenVino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caching = OpenVino(cache=str(tmp_path))
    first = caching.build(linear(), threads=1).run(ones())
    assert len(list(tmp_path.iterdir())) == 1
    core = __import__("openvino").Core
    monkeypatch.setattr(core, "compile_model", lambda *_: pytest.fail("compiled again"))
    assert np.array_equal(caching.build(linear(), threads=1).run(ones())["y"], first["y"])
    monkeypatch.undo()
    caching.build(linear(), threads=2)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_refused_model_is_a_backend_error(backend: OpenVino, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot compile the model") as caught:
        backend.build(b"not a model")
    assert not str(caught.value.why).startswith("Exception from")
    with pytest.raises(BackendError, match=r"absent\.onnx"):
        backend.build(tmp_path / "absent.onnx")
    with pytest.raises(BackendError, match="cannot compile the model"):
        backend.build(linear(("Gemm", "Nonsense")))


def test_feeds_that_do_not_fit_are_a_backend_error(backend: OpenVino) -> None:
    engine = backend.build(linear())
    for feeds in ({}, {"x": np.ones((1, 4))}, {"x": np.ones((1, 3), np.float32)}):
        with pytest.raises(BackendError, match="cannot run the model"):
            engine.run(feeds)


def test_a_closed_engine_does_not_run(backend: OpenVino, tmp_path: Path) -> None:
    engine = backend.build(linear())
    engine.close()
    for use in (engine.run, engine.timer, engine.profile):
        with pytest.raises(BackendError, match="this engine is closed"):
            use(ones())
    with pytest.raises(BackendError, match="this engine is closed"):
        engine.save(tmp_path / "engine.blob")


def test_it_runs_isolated(backend: OpenVino) -> None:
    with closing(Isolated(backend).build(linear(), threads=1)) as engine:
        assert engine.run(ones())["y"].tolist() == [[4, 4]]
        assert len(engine.time(ones(), seconds=0.02, warmup=0.0)) > 10
