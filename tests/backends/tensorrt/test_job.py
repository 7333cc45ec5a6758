"""What an engine depends on: everything that is in its key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from graphprune.backends.base import Model
from graphprune.backends.cache import Key
from graphprune.backends.tensorrt.connection import Library
from graphprune.backends.tensorrt.job import Job, Tuning, Wanted
from graphprune.backends.tensorrt.shapes import Range
from graphprune.errors import BackendError
from tests.backends.tensorrt.faking import small
from tests.cli.running import net

LIBRARY = Library("10.3.0", "a GPU", "9.0", 132)
WANTED = Wanted({}, "fp32", "auto", False, Tuning(None, None, True, False, None))
SHAPES = {"x": (2, 3, 4, 4)}


def key(model: Model, library: Library = LIBRARY, shapes: Any = SHAPES, **changes: Any) -> Key:
    return Job.of(model, library, shapes, replace(WANTED, **changes)).key


def test_equal_builds_have_equal_keys(tmp_path: Path) -> None:
    assert key(small()) == key(small())
    onnx.save(small(), tmp_path / "a.onnx")
    assert key(tmp_path / "a.onnx").digest == key((tmp_path / "a.onnx").read_bytes()).digest
    # Where measured times are kept changes nothing about what is wanted.
    kept = replace(WANTED.tuning, timings="elsewhere")
    assert key(small(), tuning=kept) == key(small())


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(net(size=4, seed=1)),
        lambda: key(small(), replace(LIBRARY, text="10.3.1")),
        lambda: key(small(), replace(LIBRARY, device="another GPU")),
        lambda: key(small(), replace(LIBRARY, multiprocessors=66)),
        lambda: key(small(), shapes={"x": (4, 3, 4, 4)}),
        lambda: key(small(), ranges={"x": Range((1, 3, 4, 4), (2, 3, 4, 4), (4, 3, 4, 4))}),
        lambda: key(small(), precision="fp16"),
        lambda: key(small(), typing="strong"),
        lambda: key(small(), tuning=replace(WANTED.tuning, workspace=1 << 20)),
        lambda: key(small(), tuning=replace(WANTED.tuning, level=5)),
        lambda: key(small(), tuning=replace(WANTED.tuning, tf32=False)),
        lambda: key(small(), tuning=replace(WANTED.tuning, libraries=True)),
    ],
)
def test_whatever_changes_an_engine_changes_its_key(other: Any) -> None:
    assert other().digest != key(small()).digest


def test_the_interface_says_what_a_caller_feeds() -> None:
    ranges = {"x": Range((1, 3, 4, 4), (2, 3, 4, 4), (4, 3, 4, 4))}
    job = Job.of(small(), LIBRARY, {}, replace(WANTED, ranges=ranges))
    assert job.interface == {
        "inputs": [["x", ["n", 3, 4, 4], "float32"]],
        "outputs": {"y": "float32"},
        "precision": "fp32",
        "shapes": {"x": [2, 3, 4, 4]},
    }


def test_what_cannot_be_had_is_refused_before_anything_is_built() -> None:
    with pytest.raises(BackendError, match="int8 is built from graphs with"):
        key(small(), int8=True)
    with pytest.raises(BackendError, match="the shape of input 'x' is open"):
        key(small(), shapes={})
