"""Bytes of files are mapped while they are looked at, and given back."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto

from graphprune.frontends.onnx import load
from graphprune.frontends.onnx.disk import _MAPPED, Opened
from tests.onnxtext import model

ROOT = Path(__file__).resolve().parents[3]
SIZE = _MAPPED + 12345


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    return path


@pytest.mark.parametrize(("offset", "length"), [(0, SIZE), (5, 7), (4097, _MAPPED), (SIZE, 0)])
def test_views(file: Path, offset: int, length: int) -> None:
    assert bytes(Opened(file).view(offset, length)) == file.read_bytes()[offset : offset + length]


def test_a_view_outlives_the_opened_file_and_its_name(file: Path) -> None:
    contents = file.read_bytes()
    opened = Opened(file)
    other = file.with_name("other")
    other.write_bytes(b"x" * SIZE)
    os.replace(other, file)
    view = opened.view(1, _MAPPED)
    del opened
    assert bytes(view) == contents[1 : 1 + _MAPPED]
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 0


@pytest.mark.parametrize(("offset", "length"), [(-1, 4), (0, -1), (0, SIZE + 1), (SIZE, 1)])
def test_views_beyond_the_end(file: Path, offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        Opened(file).view(offset, length)


def test_chunks_cover_the_file(file: Path) -> None:
    opened, digest = Opened(file), hashlib.sha256()
    for chunk in opened.chunks():
        digest.update(opened.view(chunk.start, len(chunk)))
    assert digest.digest() == hashlib.sha256(file.read_bytes()).digest()


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    for path, why in (
        (tmp_path, "regular"),
        (tmp_path / "pipe", "regular"),
        (tmp_path / "no", "No"),
    ):
        with pytest.raises(OSError, match=why):
            Opened(path)


def test_descriptors_and_mappings_are_given_back(file: Path) -> None:
    gc.collect()
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(50):
        assert Opened(file).view(0, SIZE)[-1] == file.read_bytes()[-1]
    assert process.num_fds() <= before
    kept = [Opened(file).view(i, 100) for i in range(50)]  # small ones are read, not mapped
    assert process.num_fds() <= before and len(kept) == 50


MEMORY = """
import sys
from pathlib import Path
from graphprune.frontends.onnx import load, lower
from graphprune.passes.couple import couple
from graphprune.passes.narrow import narrow, write

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) << 10

lowered = lower(load(sys.argv[1]))
coupling = couple(lowered.graph)
alive = coupling.everything()
for group in coupling:
    alive[group.units[:, ::4]] = False
open("/proc/self/clear_refs", "w").write("5")
before = peak()
write(narrow(lowered, coupling, alive), Path(sys.argv[2]))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("apart", [False, True])
def test_one_tensor_at_a_time_is_in_memory(apart: bool, tmp_path: Path) -> None:
    """Two tensors of 64 MB, read and written with one of them in memory at most."""
    proto = model(
        """
        net (float[1,64] x) => (float[1,64] y) <float[64,4096] a, float[4096,64] f> {
          h = MatMul(x, a)
          i = MatMul(h, u)
          j = MatMul(i, v)
          y = MatMul(j, f)
        }
        """
    )
    zeros = bytes(64 << 20)
    for name in "uv":
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4096, 4096])
        tensor.raw_data = zeros
        proto.graph.initializer.append(tensor)
    path = tmp_path / "m.onnx"
    onnx.save_model(proto, path, save_as_external_data=apart, location="m.bin")
    del proto
    command = [sys.executable, "-c", MEMORY, str(path), str(tmp_path / "y.onnx")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1.2 * (64 << 20)
    written = sum(f.stat().st_size for f in tmp_path.glob("y.*"))
    assert (64 << 20) < written < 2 * (64 << 20)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files")
def test_a_model_above_two_gigabytes(tmp_path: Path) -> None:
    """Three tensors of 1 GiB in a sparse file; nothing is run."""
    size, places = 16384, {"u": 0, "v": 1 << 30, "w": 2 << 30}
    proto = model(
        f"""
        net (float[1,8] x) => (float[1,8] y) <float[8,{size}] a, float[{size},8] f> {{
          h = MatMul(x, a)
          i = MatMul(h, u)
          j = MatMul(i, v)
          k = MatMul(j, w)
          y = MatMul(k, f)
        }}
        """
    )
    with (tmp_path / "m.bin").open("wb") as file:
        file.truncate(3 << 30)
        file.seek(places["v"] + 4 * (5 * size + 7))
        file.write(np.float32(3).tobytes())
    for name, offset in places.items():
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[size, size])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "m.bin"), ("offset", offset), ("length", 1 << 30)):
            tensor.external_data.add(key=key, value=str(value))
        proto.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "m.onnx"), str(tmp_path / "y.onnx")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1.2 * (1 << 30)
    found = load(tmp_path / "y.onnx")
    kept = [i for i in range(size) if i % 4]
    assert found.tensors["v"].dims == [len(kept), len(kept)]
    rows = found.rows(found.tensors["v"], 0, 8)
    assert rows[kept.index(5), kept.index(7)] == 3 and np.count_nonzero(rows) == 1
