"""The process that holds TensorRT: found, or missing with the reason."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from graphprune.backends.base import get
from graphprune.backends.tensorrt import TensorRT
from graphprune.backends.tensorrt.connection import INTERPRETER, Connection
from graphprune.errors import BackendUnavailable
from graphprune.measure import agreement
from tests.backends.tensorrt import faking
from tests.backends.tensorrt.faking import backend, images, small

pytestmark = faking.needed
SHAPES = {"x": (2, 3, 4, 4)}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("no-libraries", r"TensorRT is not installed: .*libnvinfer\.so\.10"),
        ("no-gpu", "finds no usable GPU: CUDA initialization failure with error: 35"),
        ("no-driver", "finds no usable GPU: the CUDA driver cannot be loaded: libcuda"),
        ("no-device", "finds no usable GPU: the CUDA driver finds no device"),
    ],
)
def test_why_it_cannot_be_used(fault: str, why: str, tmp_path: Path) -> None:
    made = backend(tmp_path, fault=fault)
    with pytest.raises(BackendUnavailable) as caught:
        made.build(small(), shapes=SHAPES)
    reason = made.available()
    assert reason == caught.value.why
    assert re.search(why, str(reason))
    if fault == "no-libraries":
        assert "pip install tensorrt==8.5.3.1" in str(caught.value.fix)
        assert "graphprune[tensorrt]" in str(caught.value.fix)
    else:
        assert caught.value.fix == "run it on a machine with an NVIDIA GPU and its driver"


def test_the_environment_names_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = faking.interpreter(tmp_path, "8.6.1")
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", path)
    with closing(get("tensorrt").build(small(), shapes=SHAPES)) as engine:
        assert engine.conditions.version == "8.6.1"
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", str(tmp_path / "nowhere"))
    assert "the interpreter cannot be started" in str(TensorRT().available())


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    with closing(Connection(faking.interpreter(tmp_path, "11.0.0.114"))) as connection:
        library = connection.library
        assert (library.text, library.version) == ("11.0.0.114", (11, 0))
        assert library.place == "Fake GPU, sm 9.0, 132 multiprocessors"


@pytest.mark.skipif(
    not os.environ.get(INTERPRETER),
    reason=f"{INTERPRETER} names no interpreter that has the real TensorRT",
)
def test_the_real_one_runs_or_says_that_there_is_no_gpu() -> None:
    made = TensorRT(python=os.environ[INTERPRETER])
    reason = made.available()
    if reason is not None:
        # Whatever else is wrong with a real TensorRT is a failure of this test.
        assert re.match(r"TensorRT \d+\.\d+\S* is present, but finds no usable GPU: \S", reason)
        with pytest.raises(BackendUnavailable, match="cannot be used here") as caught:
            made.build(small(), shapes=SHAPES)
        assert caught.value.fix == "run it on a machine with an NVIDIA GPU and its driver"
        return
    wanted = agreement.reference(small(), images())
    for precision in ("fp32", "fp16"):
        with closing(made.build(small(), shapes=SHAPES, precision=precision)) as engine:
            agreement.check(engine, images(), wanted)
            assert all(0 < one < 1 for one in engine.time(images(), seconds=0.1))
            assert engine.layers(images(), seconds=0.1)
