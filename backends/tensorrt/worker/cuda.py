"""Device memory, events and graphs through the CUDA driver, by ctypes.

Only the driver's own library is needed. Its objects live in the device's primary context, which
TensorRT uses as well, so streams and addresses may be handed over as plain integers.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any, Callable  # noqa: UP035

from .failures import BackendError

_LIBRARY = "libcuda.so.1"
_NOT_READY = 600
_NON_BLOCKING = 1
_RELAXED = 2
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76


class Cuda:
    """The first device that the process sees."""

    def __init__(self) -> None:
        """Starts the driver.

        Raises:
            BackendError: There is no driver, or no device.
        """
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise BackendError("the CUDA driver cannot be loaded", why=str(error)) from error
        self._call("cuInit", c_uint(0))
        count = c_int()
        self._call("cuDeviceGetCount", byref(count))
        if count.value < 1:
            raise BackendError("the CUDA driver finds no device")
        self._device = c_int()
        self._call("cuDeviceGet", byref(self._device), c_int(0))
        context = c_void_p()
        self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._call("cuCtxSetCurrent", context)

    def _call(self, name: str, *arguments: Any) -> None:
        """Calls the driver.

        Raises:
            BackendError: It returned an error.
        """
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            text = c_char_p()
            self._library.cuGetErrorString(c_int(code), byref(text))
            why = (text.value or b"no description").decode()
            raise BackendError(f"{name} failed: error {code}", why=why)

    def device(self) -> dict[str, Any]:
        """Returns name, compute capability, multiprocessors and memory in bytes of the device."""
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, c_int(256), self._device)
        free, total, driver = c_size_t(), c_size_t(), c_int()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        self._call("cuDriverGetVersion", byref(driver))
        return {
            "name": name.value.decode(),
            "capability": f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}",
            "multiprocessors": self._attribute(_MULTIPROCESSORS),
            "memory": total.value,
            "driver": driver.value,
        }

    def _attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), c_int(number), self._device)
        return value.value

    def allocate(self, size: int) -> int:
        """Returns the address of bytes on the device."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), c_size_t(max(size, 1)))
        return address.value

    def free(self, address: int) -> None:
        """Gives bytes on the device back."""
        self._call("cuMemFree_v2", c_uint64(address))

    def allocate_host(self, size: int) -> int:
        """Returns the address of bytes on the host that the device copies without a detour."""
        address = c_void_p()
        self._call("cuMemAllocHost_v2", byref(address), c_size_t(max(size, 1)))
        return address.value or 0

    def free_host(self, address: int) -> None:
        """Gives bytes on the host back."""
        self._call("cuMemFreeHost", c_void_p(address))

    def upload(self, device: int, host: int, size: int, stream: int) -> None:
        """Queues a copy to the device."""
        self._call(
            "cuMemcpyHtoDAsync_v2", c_uint64(device), c_void_p(host), c_size_t(size),
            c_void_p(stream),
        )  # fmt: skip

    def download(self, host: int, device: int, size: int, stream: int) -> None:
        """Queues a copy to the host."""
        self._call(
            "cuMemcpyDtoHAsync_v2", c_void_p(host), c_uint64(device), c_size_t(size),
            c_void_p(stream),
        )  # fmt: skip

    def fill(self, device: int, byte: int, size: int, stream: int) -> None:
        """Queues the filling of bytes on the device."""
        self._call(
            "cuMemsetD8Async", c_uint64(device), c_ubyte(byte), c_size_t(size), c_void_p(stream)
        )

    def stream(self) -> int:
        """Returns a queue of work that waits for no other."""
        stream = c_void_p()
        self._call("cuStreamCreate", byref(stream), c_uint(_NON_BLOCKING))
        return stream.value or 0

    def wait(self, stream: int) -> None:
        """Returns when all work of a queue is done."""
        self._call("cuStreamSynchronize", c_void_p(stream))

    def event(self) -> int:
        """Returns a mark in a queue, which takes the time."""
        event = c_void_p()
        self._call("cuEventCreate", byref(event), c_uint(0))
        return event.value or 0

    def record(self, event: int, stream: int) -> None:
        """Queues a mark."""
        self._call("cuEventRecord", c_void_p(event), c_void_p(stream))

    def spin(self, event: int) -> None:
        """Returns when a mark is reached, asking all the time: sleeping would wake up late."""
        query, handle = self._library.cuEventQuery, c_void_p(event)
        code = query(handle)
        while code == _NOT_READY:
            code = query(handle)
        if code != 0:
            # Asks once more, for the text.
            self._call("cuEventQuery", handle)

    def elapsed(self, start: int, stop: int) -> float:
        """Returns the seconds between two marks, on the device's clock."""
        milliseconds = c_float()
        self._call("cuEventElapsedTime", byref(milliseconds), c_void_p(start), c_void_p(stop))
        return milliseconds.value / 1e3

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """Returns a graph of work, which is queued at once and by one call.

        Args:
            stream: The queue that it is recorded on.
            work: Queues it.

        Raises:
            BackendError: Something of it cannot be captured.
        """
        graph, ready = c_void_p(), c_void_p()
        self._call("cuStreamBeginCapture_v2", c_void_p(stream), c_int(_RELAXED))
        try:
            work()
        except BackendError:
            # Left open, the queue could not be used again; what it recorded is worth nothing.
            self._library.cuStreamEndCapture(c_void_p(stream), byref(graph))
            raise
        self._call("cuStreamEndCapture", c_void_p(stream), byref(graph))
        self._call("cuGraphInstantiateWithFlags", byref(ready), graph, c_uint64(0))
        self._call("cuGraphDestroy", graph)
        return ready.value or 0

    def launch(self, graph: int, stream: int) -> None:
        """Queues a graph."""
        self._call("cuGraphLaunch", c_void_p(graph), c_void_p(stream))

    def drop(self, graph: int) -> None:
        """Gives a graph back."""
        self._call("cuGraphExecDestroy", c_void_p(graph))
