"""Engines as files: what is refused, and why; what a cache does with damaged files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from graphprune.backends import cache
from graphprune.backends.cache import Key
from graphprune.errors import BackendError
from tests.backends.test_onnxruntime import linear

KEY = Key("abc", "crystal", "1.2", "ball", {"precision": "fp32", "shapes": {"x": [1, 4]}})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.engine"
    cache.write(path, KEY, b"engine")
    assert cache.read(path) == (KEY, b"engine")
    assert cache.read_for(path, KEY) == b"engine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "def"}, "it was built from another model"),
        ({"backend": "globe"}, "it is an engine of crystal, not of globe"),
        ({"version": "1.3"}, "it was built by version 1.2, this is 1.3"),
        ({"device": "cube"}, "it was built for ball, this is cube"),
        (
            {"options": {"precision": "fp16", "shapes": {"x": (1, 4)}}},
            "its precision is fp32, wanted is fp16",
        ),
        ({"options": {**KEY.options, "pinned": True}}, "its pinned is None, wanted is True"),
    ],
)
def test_a_stale_engine_is_refused_with_the_reason(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    path = tmp_path / "one.engine"
    cache.write(path, KEY, b"engine")
    wanted = replace(KEY, **change)
    assert wanted.digest != KEY.digest
    with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
        cache.read_for(path, wanted)
    assert (caught.value.where, caught.value.why) == (str(path), why)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda whole: whole[:-1], "it is damaged: its checksum is another"),
        (lambda whole: whole[:-1] + b"!", "it is damaged: its checksum is another"),
        (lambda whole: whole[:40], "it is damaged: its head cannot be read"),
        (lambda whole: whole[:22], "it is damaged: its head cannot be read"),
        (lambda whole: b"", "it is no engine that graphprune saved in this format"),
        (lambda whole: b"PK" + whole, "it is no engine that graphprune saved in this format"),
    ],
)
def test_a_damaged_engine_is_refused(tmp_path: Path, damage: Any, why: str) -> None:
    path = tmp_path / "one.engine"
    cache.write(path, KEY, b"engine")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BackendError) as caught:
        cache.read(path)
    assert caught.value.why == why


def test_a_cache_builds_damaged_engines_anew(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert cache.find(folder, KEY) is None
    cache.keep(folder, KEY, b"engine")
    assert cache.find(folder, KEY) == b"engine"
    assert cache.find(folder, replace(KEY, version="1.3")) is None
    [path] = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(RuntimeWarning, match="built anew: it is damaged"):
        assert cache.find(folder, KEY) is None
    assert list(folder.iterdir()) == []


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="the engine cannot be saved"):
        cache.write(tmp_path / "absent" / "one.engine", KEY, b"engine")
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match="the cache cannot be made"):
        cache.keep(tmp_path / "file" / "folder", KEY, b"engine")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BackendError, match="the engine cannot be saved"):
        cache.write(tmp_path / "taken", KEY, b"engine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


def test_a_fingerprint_covers_every_byte_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    onnx.save(linear(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    found = cache.fingerprint(path)
    assert found == cache.fingerprint(str(path))
    weights = tmp_path / "w.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert cache.fingerprint(path) != found
    whole = linear().SerializeToString()
    assert cache.fingerprint(whole) != cache.fingerprint(linear(("Gemm", "Relu")))
    for absent in (tmp_path / "absent.onnx", path.with_name("w.bin")):
        with pytest.raises(BackendError, match="the model cannot be read"):
            cache.fingerprint(absent)
