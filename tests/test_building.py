"""Engines on disk: built, compared, and only then written."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.tensorrt import Range
from graphprune.building import build_engine
from graphprune.errors import BackendError
from tests.backends.tensorrt import faking
from tests.backends.tensorrt.faking import backend, images, quantised, small

pytestmark = faking.needed
SHAPES = {"x": (2, 3, 4, 4)}


def test_an_engine_is_compared_and_written(tmp_path: Path) -> None:
    path = tmp_path / "small.engine"
    built = build_engine(small(), path, backend(tmp_path), precision="fp16", shapes=SHAPES)
    assert built.error is not None and 0 < built.error < 2e-3
    assert (built.path, built.size) == (path, path.stat().st_size)
    assert built.seconds is not None
    assert built.to_dict()["conditions"]["precision"] == "fp16"


def test_every_end_of_a_range_is_compared(tmp_path: Path) -> None:
    range_ = Range((1, 3, 4, 4), (2, 3, 4, 4), (4, 3, 4, 4))
    made = backend(tmp_path, ranges={"x": range_})
    assert build_engine(small(), tmp_path / "a.engine", made).error == pytest.approx(0, abs=1e-6)


def test_wrong_engines_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "small.engine"
    made = backend(tmp_path, fault="wrong")
    with pytest.raises(BackendError, match="computes something else than the model says"):
        build_engine(small(), path, made, shapes=SHAPES)
    assert not path.exists()
    assert build_engine(small(), path, made, shapes=SHAPES, check=False).error is None


def test_an_open_size_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="the shape of input 'x' is open"):
        build_engine(small(), tmp_path / "a.engine", backend(tmp_path))
    feeds = images(3)
    built = build_engine(small(), tmp_path / "a.engine", backend(tmp_path), feeds=feeds)
    assert built.error == pytest.approx(0, abs=1e-6)


def test_quantised_models_are_given_more_room(tmp_path: Path) -> None:
    made = backend(tmp_path, "8.5.3.1", int8=True)
    built = build_engine(quantised(), tmp_path / "q.engine", made, precision="fp16")
    assert built.error is not None and built.error < 5e-2


def test_layers_come_with_their_groups(tmp_path: Path) -> None:
    made = backend(tmp_path)
    built = build_engine(small(), tmp_path / "a.engine", made, shapes=SHAPES, layers=True)
    assert [(one.name, one.groups) for one in built.layers] == [
        ("a + r", ("g1",)),
        ("b + m", ("g1", "g2")),
        ("c", ("g2",)),
    ]


def test_other_engines_that_can_be_written_are_built_alike(tmp_path: Path) -> None:
    path = tmp_path / "small.ort"
    built = build_engine(small(), path, OnnxRuntime(), shapes=SHAPES)
    assert built.seconds is None
    loaded = OnnxRuntime().load(path)
    assert loaded.run(images())["y"].shape == (2, 4, 4, 4)


def test_a_file_is_read_with_its_external_data(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    onnx.save(small(), path, save_as_external_data=True, location="weights", size_threshold=0)
    built = build_engine(path, tmp_path / "a.engine", backend(tmp_path), shapes=SHAPES)
    assert built.error == pytest.approx(0, abs=1e-6)
