"""Engines as files: TensorRT's own bytes, and a record that says what they are."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from graphprune.backends.cache import Key
from graphprune.backends.tensorrt import saved
from graphprune.errors import BackendError
from tests.backends.tensorrt import faking
from tests.backends.tensorrt.faking import backend, images, small
from tests.cli.running import net

pytestmark = faking.needed
SHAPES = {"x": (2, 3, 4, 4)}
KEY = Key("m", "tensorrt", "10.3.0", "a GPU", {"precision": "fp16"})


def test_a_saved_engine_is_tensorrts_own_file_and_loads_again(tmp_path: Path) -> None:
    made, path = backend(tmp_path), tmp_path / "small.engine"
    with closing(made.build(small(), shapes=SHAPES)) as engine:
        engine.save(path)
        wanted = engine.run(images())["y"]
    assert path.read_bytes().startswith(b"FAKE ENGINE")
    record = json.loads((tmp_path / "small.engine.json").read_text())
    assert record["key"]["device"] == "Fake GPU, sm 9.0, 132 multiprocessors"
    with closing(made.load(path, model=small())) as again:
        assert again.built is None
        np.testing.assert_array_equal(again.run(images())["y"], wanted)


def test_stale_engines_are_refused_with_the_reason(tmp_path: Path) -> None:
    made, path = backend(tmp_path), tmp_path / "small.engine"
    with closing(made.build(small(), shapes=SHAPES)) as engine:
        engine.save(path)
    cases = [
        (made, net(size=4, seed=1), "it was built from another model"),
        (backend(tmp_path, "10.16.1.11"), None, "it was built by version 10.3.0, this is 10.16."),
        (backend(tmp_path, gpu="B"), None, "it was built for Fake GPU, sm 9.0, 132"),
    ]
    for one, source, why in cases:
        with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
            one.load(path, model=source)
        assert str(caught.value.why).startswith(why)
        assert caught.value.fix == "build it anew: graphprune build"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.engine"
    saved.write(path, b"plan", KEY, {"outputs": {"y": "float32"}})
    assert path.read_bytes() == b"plan"
    assert saved.read(path) == (b"plan", KEY, {"outputs": {"y": "float32"}})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.engine", "a.engine.json"]


def test_engines_that_are_not_what_their_record_says(tmp_path: Path) -> None:
    path = tmp_path / "a.engine"
    with pytest.raises(BackendError, match="the saved engine cannot be used"):
        saved.read(path)
    path.write_bytes(b"from elsewhere")
    with pytest.raises(BackendError) as caught:
        saved.read(path)
    assert "its record a.engine.json, which says what it is, cannot be read" in str(caught.value)
    saved.write(path, b"plan", KEY, {})
    path.write_bytes(b"plam")
    with pytest.raises(BackendError, match="its checksum is another"):
        saved.read(path)
    record = saved.record_of(path)
    record.write_text(record.read_text().replace("tensorrt/1", "tensorrt/9"))
    with pytest.raises(BackendError, match="its record is of another format"):
        saved.read(path)
