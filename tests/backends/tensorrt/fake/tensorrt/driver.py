"""A FAKE of the CUDA driver: device memory is memory of the host, and its clock is made up."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

NOT_READY, OUT_OF_MEMORY, NOT_CAPTURED = 600, 2, 900
_ATTRIBUTES = {16: 132, 75: 9, 76: 0}

Work = Callable[[], None]


class Driver:
    """Stands for the library; arguments come as ctypes objects, results go through them."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._blocks: dict[int, Any] = {}
        self._events: dict[int, float] = {}
        self._graphs: dict[int, list[Work]] = {}
        self._capturing: list[Work] | None = None
        self._now = 0.0
        self._asked = 0
        self.device = os.environ.get("FAKE_GPU", "Fake GPU")

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def submit(self, work: Work) -> None:
        """Does queued work at once, or keeps it while a graph is captured."""
        if self._capturing is None:
            work()
        else:
            self._capturing.append(work)

    def cuInit(self, flags: Any) -> int:
        return 0

    def cuGetErrorString(self, code: Any, text: Any) -> int:
        text._obj.value = {OUT_OF_MEMORY: b"out of memory"}.get(code.value, b"fake error")
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = 0 if self._fault == "no-device" else 1
        return 0

    def cuDeviceGet(self, device: Any, index: Any) -> int:
        device._obj.value = index.value
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:
        context._obj.value = 1
        return 0

    def cuCtxSetCurrent(self, context: Any) -> int:
        assert context.value == 1
        return 0

    def cuDeviceGetName(self, text: Any, size: Any, device: Any) -> int:
        text.value = self.device.encode()
        return 0

    def cuDeviceGetAttribute(self, value: Any, number: Any, device: Any) -> int:
        value._obj.value = _ATTRIBUTES[number.value]
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        free._obj.value = total._obj.value = 1 << 34
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 12080
        return 0

    def _allocate(self, address: Any, size: Any) -> int:
        if self._fault == "no-memory":
            return OUT_OF_MEMORY
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self._blocks[ctypes.addressof(block)] = block
        return 0

    cuMemAlloc_v2 = cuMemAllocHost_v2 = _allocate

    def _free(self, address: Any) -> int:
        del self._blocks[address.value]
        return 0

    cuMemFree_v2 = cuMemFreeHost = _free

    def _copy(self, target: Any, source: Any, size: Any, stream: Any) -> int:
        def work() -> None:
            ctypes.memmove(target.value, source.value, size.value)
            self.advance(size.value / 1e10)

        self.submit(work)
        return 0

    cuMemcpyHtoDAsync_v2 = cuMemcpyDtoHAsync_v2 = _copy

    def cuMemsetD8Async(self, device: Any, byte: Any, size: Any, stream: Any) -> int:
        def work() -> None:
            ctypes.memset(device.value, byte.value, size.value)

        self.submit(work)
        return 0

    def cuStreamCreate(self, stream: Any, flags: Any) -> int:
        stream._obj.value = 7
        return 0

    def cuStreamSynchronize(self, stream: Any) -> int:
        return 0

    def cuEventCreate(self, event: Any, flags: Any) -> int:
        event._obj.value = 100 + len(self._events)
        self._events[event._obj.value] = 0.0
        return 0

    def cuEventRecord(self, event: Any, stream: Any) -> int:
        self._events[event.value] = self._now
        return 0

    def cuEventQuery(self, event: Any) -> int:
        self._asked += 1
        return NOT_READY if self._asked % 3 else 0

    def cuEventElapsedTime(self, ms: Any, start: Any, stop: Any) -> int:
        ms._obj.value = 1e3 * (self._events[stop.value] - self._events[start.value])
        return 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> int:
        self._capturing = []
        return 0

    def cuStreamEndCapture(self, stream: Any, graph: Any) -> int:
        kept, self._capturing = self._capturing, None
        if self._fault == "no-capture":
            return NOT_CAPTURED
        graph._obj.value = 1000 + len(self._graphs)
        self._graphs[graph._obj.value] = kept or []
        return 0

    def cuGraphInstantiateWithFlags(self, ready: Any, graph: Any, flags: Any) -> int:
        ready._obj.value = graph.value
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:
        return 0

    def cuGraphExecDestroy(self, graph: Any) -> int:
        del self._graphs[graph.value]
        return 0

    def cuGraphLaunch(self, graph: Any, stream: Any) -> int:
        for work in self._graphs[graph.value]:
            work()
        return 0


def install(fault: str) -> Driver:
    """Puts the fake where `ctypes` would load the driver."""
    made = Driver(fault)
    load = ctypes.CDLL

    def loaded(name: Any, *others: Any, **more: Any) -> Any:
        if name != "libcuda.so.1":
            return load(name, *others, **more)
        if fault == "no-driver":
            raise OSError("libcuda.so.1: cannot open shared object file")
        return made

    ctypes.CDLL = loaded  # type: ignore[assignment,misc]
    return made
