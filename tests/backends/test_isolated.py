"""ONNX Runtime in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from graphprune.backends.isolated import Isolated
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.errors import BackendError, BackendUnavailable
from tests.backends.test_onnxruntime import linear, ones

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends process groups by signals")


def wide(size: int) -> onnx.ModelProto:
    """Returns one number repeated that often: 4 bytes each."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Expand", ["x", "size"], ["y"])],
        "wide",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [size])],
        [onnx.numpy_helper.from_array(np.array([size], np.int64), "size")],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_it_does_what_the_engine_does(tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    onnx.save(linear(), path)
    own = OnnxRuntime().build(linear(), threads=1)
    for source in (linear(), linear().SerializeToString(), path):
        with closing(Isolated(OnnxRuntime()).build(source, threads=1)) as engine:
            assert engine.process != os.getpid()
            assert engine.inputs == own.inputs
            assert engine.outputs == own.outputs
            assert engine.conditions == own.conditions
            found = engine.run(ones(2))["y"]
            assert np.array_equal(found, own.run(ones(2))["y"])
            found += 1
    assert len(own.time(ones(), seconds=0.01, warmup=0.0)) > 1


def test_times_are_taken_in_the_process() -> None:
    with closing(Isolated(OnnxRuntime()).build(linear(), shapes={"x": (2, 4)})) as engine:
        assert engine.inputs[0].shape == (2, 4)
        durations = engine.time(ones(2), seconds=0.05, warmup=0.0)
        # So small a model takes less than a message through a pipe.
        assert len(durations) > 50
        assert engine.profile(ones(2), seconds=0.01)
        whole = engine.timer_with_transfers(ones(2))(0.05)
        assert len(whole) > 50


def test_errors_are_those_of_the_engine() -> None:
    isolated = Isolated(OnnxRuntime())
    with pytest.raises(BackendError) as caught:
        isolated.build(b"not a model")
    assert str(caught.value) == (
        "BackendError: cannot build a session\n"
        "  why:   Failed to load model because protobuf parsing failed."
    )
    with closing(isolated.build(linear())) as engine:
        with pytest.raises(BackendError, match="cannot run the model"):
            engine.run({})
        assert engine.run(ones())["y"].tolist() == [[4, 4]]


def test_a_process_that_was_killed_is_an_error_and_another_can_be_built() -> None:
    isolated = Isolated(OnnxRuntime())
    with closing(isolated.build(linear())) as engine:
        os.kill(engine.process, signal.SIGSEGV)
        with pytest.raises(BackendError) as caught:
            engine.run(ones())
        assert str(caught.value.why).startswith("it crashed (SIGSEGV)")
    with closing(isolated.build(linear())) as engine:
        assert engine.run(ones())["y"].tolist() == [[4, 4]]


def test_a_build_has_a_time_limit() -> None:
    with pytest.raises(BackendError, match=r"took more than 0\.01 s to build, and was ended"):
        Isolated(OnnxRuntime(), build_limit=0.01).build(linear())


def test_availability_is_asked_of_the_interpreter(tmp_path: Path) -> None:
    assert Isolated(OnnxRuntime()).available() is None
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho this is no interpreter >&2\nexit 4\n")
    bare.chmod(0o755)
    reason = Isolated(OnnxRuntime(), python=str(bare)).available()
    assert reason is not None
    assert "it exited with status 4" in reason
    assert "this is no interpreter" in reason


def test_what_is_missing_there_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        Isolated(OnnxRuntime(provider="tensorrt")).build(linear())
    assert "has no TensorrtExecutionProvider" in str(caught.value.why)
    assert caught.value.fix == "pip install 'onnxruntime-gpu'"


def test_only_onnx_models_are_sent() -> None:
    model: Any = object()
    with pytest.raises(BackendError, match="a model of type object cannot be isolated"):
        Isolated(OnnxRuntime()).build(model)


def test_options_that_are_no_plain_values_are_refused() -> None:
    weights = {"w": np.ones((2, 4), np.float32)}
    with pytest.raises(BackendError, match="this onnxruntime backend cannot be isolated"):
        Isolated(OnnxRuntime(weights=weights)).build(linear())


def test_engines_are_saved_and_loaded_there(tmp_path: Path) -> None:
    path = tmp_path / "linear.engine"
    isolated = Isolated(OnnxRuntime())
    with closing(isolated.build(linear(), threads=1)) as engine:
        engine.save(path)
    with closing(isolated.load(path, model=linear(), threads=1)) as engine:
        assert engine.run(ones())["y"].tolist() == [[4, 4]]
    with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
        isolated.load(path, model=linear(("Gemm", "Relu")))
    assert caught.value.why == "it was built from another model"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_an_engine_that_wants_too_much_memory_is_an_error_and_the_caller_lives_on() -> None:
    limited = Isolated(OnnxRuntime(), memory_limit=2**31)
    with closing(limited.build(wide(2**29), threads=1)) as engine:
        with pytest.raises(BackendError, match="cannot run the model") as caught:
            engine.run({"x": np.ones(1, np.float32)})
        assert "the process may have 2,048 MiB" in str(caught.value.fix)
    with closing(limited.build(linear(), threads=1)) as engine:
        assert engine.run(ones())["y"].tolist() == [[4, 4]]
