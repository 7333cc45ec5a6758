"""One engine in TensorRT's process: timed on the device's clock, profiled, inspected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from graphprune.backends.tensorrt import TensorRTEngine
from graphprune.errors import BackendError
from graphprune.measure.paired import Pairing, compare_engines
from tests.backends.tensorrt import faking
from tests.backends.tensorrt.faking import backend, images, small
from tests.cli.running import net

pytestmark = faking.needed
SHAPES = {"x": (2, 3, 4, 4)}

FAKE_SECONDS = 1.616e-5
"""What the fake's clock shows for one call: ten nanoseconds for each of 1616 weights."""

COPIES = 896 / 1e10
"""What it shows for the bytes of both tensors."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorRTEngine]:
    made = backend(tmp_path_factory.mktemp("python"))
    with closing(made.build(small(), shapes=SHAPES)) as one:
        yield one


def test_calls_are_timed_on_the_devices_clock_without_transfers(engine: TensorRTEngine) -> None:
    times = engine.time(images(), seconds=0.01, warmup=0.0)
    assert len(times) > 1
    np.testing.assert_allclose(times, FAKE_SECONDS, rtol=1e-4)


def test_and_with_transfers_on_request(engine: TensorRTEngine) -> None:
    times = engine.timer_with_transfers(images())(0.001)
    np.testing.assert_allclose(times, FAKE_SECONDS + COPIES, rtol=1e-4)
    again = engine.timer(images())(0.001)
    np.testing.assert_allclose(again, FAKE_SECONDS, rtol=1e-4)


def test_throughput_is_the_mean_of_calls_queued_back_to_back(tmp_path: Path) -> None:
    made = backend(tmp_path, mode="throughput", graph=False)
    with closing(made.build(small(), shapes=SHAPES)) as one:
        assert one.conditions.device == "Fake GPU (throughput, no CUDA graph)"
        np.testing.assert_allclose(one.timer(images())(0.05), FAKE_SECONDS, rtol=1e-4)


def test_layers_are_timed_by_tensorrts_names(engine: TensorRTEngine) -> None:
    times = engine.profile(images(), seconds=0.01)
    assert list(times) == ["a + r", "b + m", "c"]
    np.testing.assert_allclose(list(times.values()), 2.5e-4)
    # Watching replaced the context: the engine runs, and is as fast, as before.
    np.testing.assert_allclose(engine.timer(images())(0.001), FAKE_SECONDS, rtol=1e-4)
    layers = engine.layers(images(), seconds=0.01)
    assert [layer.nodes for layer in layers] == [("a", "r"), ("b", "m"), ("c",)]
    assert {layer.tactic for layer in layers} == {"fake"}


def test_two_engines_are_timed_in_turns(engine: TensorRTEngine, tmp_path: Path) -> None:
    with closing(backend(tmp_path).build(net(size=4, seed=3), shapes=SHAPES)) as other:
        found = compare_engines(engine, other, images(), Pairing(seconds=0.5, block=0.01))
    assert found.verdict == "same"
    assert found.speedup == pytest.approx(1.0, abs=1e-3)


def test_feeds_that_do_not_fit(engine: TensorRTEngine) -> None:
    for feeds in ({}, {"x": images()["x"].astype(np.float64)}, {"z": images()["x"]}, images(3)):
        with pytest.raises(BackendError, match="cannot run the model"):
            engine.run(feeds)
    assert engine.run(images())["y"].shape == (2, 4, 4, 4)


def test_the_process_may_end_and_the_caller_goes_on(tmp_path: Path) -> None:
    import os
    import signal

    with closing(backend(tmp_path).build(small(), shapes=SHAPES)) as one:
        assert one.process != os.getpid()
        os.kill(one.process, signal.SIGSEGV)
        with pytest.raises(BackendError, match=r"ended while it was to run"):
            one.run(images())
