"""The driver by ctypes, against the fake of it: what is called, and what becomes of errors."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable

import pytest

from graphprune.backends.tensorrt.worker.cuda import Cuda
from graphprune.backends.tensorrt.worker.failures import BackendError
from tests.backends.tensorrt.faking import FAKE

# By itself: the fake of TensorRT that it belongs to must not be imported in this process.
_SPEC = importlib.util.spec_from_file_location("driver", FAKE / "tensorrt" / "driver.py")
assert _SPEC is not None and _SPEC.loader is not None
driver = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(driver)

Start = Callable[[str], Cuda]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    def started(fault: str = "") -> Cuda:
        monkeypatch.setattr(ctypes, "CDLL", ctypes.CDLL)  # put back afterwards
        driver.install(fault)
        return Cuda()

    return started


def test_bytes_go_to_the_device_and_come_back(start: Start) -> None:
    cuda = start("")
    stream, device, host = cuda.stream(), cuda.allocate(4), cuda.allocate_host(4)
    ctypes.memmove(host, b"abcd", 4)
    cuda.upload(device, host, 4, stream)
    ctypes.memset(host, 0, 4)
    cuda.download(host, device, 4, stream)
    cuda.wait(stream)
    assert ctypes.string_at(host, 4) == b"abcd"
    cuda.fill(device, 0xFF, 2, stream)
    assert ctypes.string_at(device, 4) == b"\xff\xffcd"
    cuda.free(device)
    cuda.free_host(host)


def test_events_take_the_devices_time(start: Start) -> None:
    cuda = start("")
    stream, begin, end = cuda.stream(), cuda.event(), cuda.event()
    host, device = cuda.allocate_host(10), cuda.allocate(10)
    cuda.record(begin, stream)
    cuda.upload(device, host, 10, stream)
    cuda.record(end, stream)
    cuda.spin(end)
    assert cuda.elapsed(begin, end) == pytest.approx(1e-9)


def test_a_graph_is_work_that_is_done_when_it_is_launched(start: Start) -> None:
    cuda = start("")
    stream, device = cuda.stream(), cuda.allocate(1)
    graph = cuda.capture(stream, lambda: cuda.fill(device, 7, 1, stream))
    assert ctypes.string_at(device, 1) == b"\0"
    cuda.launch(graph, stream)
    assert ctypes.string_at(device, 1) == b"\7"
    cuda.drop(graph)


def test_a_capture_that_fails_is_closed(start: Start) -> None:
    cuda = start("")
    stream, device = cuda.stream(), cuda.allocate(1)

    def refuse() -> None:
        raise BackendError("not this")

    with pytest.raises(BackendError, match="not this"):
        cuda.capture(stream, refuse)
    cuda.fill(device, 7, 1, stream)
    assert ctypes.string_at(device, 1) == b"\7"


def test_the_device_says_what_it_is(start: Start) -> None:
    found = start("").device()
    assert (found["name"], found["capability"]) == ("Fake GPU", "9.0")
    assert (found["multiprocessors"], found["driver"]) == (132, 12080)


def test_errors_have_the_drivers_words(start: Start) -> None:
    cuda = start("no-memory")
    with pytest.raises(BackendError, match="cuMemAlloc_v2 failed: error 2") as caught:
        cuda.allocate(1 << 40)
    assert caught.value.why == "out of memory"
    for fault, what in (("no-driver", "cannot be loaded"), ("no-device", "finds no device")):
        with pytest.raises(BackendError, match=what):
            start(fault)
