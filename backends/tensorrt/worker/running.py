"""One engine on the device: its memory, one call, and blocks of calls on the device's clock."""

from __future__ import annotations

import ctypes
import time
from typing import Any

from .cuda import Cuda
from .failures import BackendError
from .library import Library, profiler
from .tensors import TYPES, Tensor

_UNWRITTEN = 0xFF
"""Fills outputs before a call: not a number in every float, so what is not written is seen."""

_QUEUE = 0.005
"""Seconds of work that lie between two marks when calls are queued back to back."""


class Runner:
    """An engine with one context, fixed shapes at a time, and a graph of one call."""

    def __init__(self, library: Library, cuda: Cuda, engine: Any, options: dict[str, Any]) -> None:
        """Prepares the first call.

        Args:
            library: TensorRT.
            cuda: The driver.
            engine: Read by TensorRT.
            options: "shapes" by input; "graph": whether calls are captured; "mode": "latency" or
                "throughput".

        Raises:
            BackendError: The device has no room for it, or the shapes do not fit.
        """
        self._library, self._cuda, self._engine = library, cuda, engine
        self._options = options
        self.stream = cuda.stream()
        self._start, self._stop = cuda.event(), cuda.event()
        # Of calls without and with the copies of inputs and outputs; None where not captured.
        self._graphs: dict[bool, Any] = {}
        self.notes: list[str] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        kind = library.trt.TensorIOMode.INPUT
        self._inputs = [name for name in names if engine.get_tensor_mode(name) == kind]
        self._outputs = [name for name in names if name not in self._inputs]
        self.renew(options["shapes"])

    def described(self, name: str) -> list[Any]:
        """Returns name, element type and shape of a tensor, with -1 for what is open."""
        dtype = TYPES[self._type(name)][0]
        return [name, dtype, [int(size) for size in self._engine.get_tensor_shape(name)]]

    def inputs_described(self) -> list[list[Any]]:
        """Returns the inputs as the engine has them; see `described`."""
        return [self.described(name) for name in self._inputs]

    def outputs_described(self) -> list[list[Any]]:
        """Returns the outputs as the engine has them; see `described`."""
        return [self.described(name) for name in self._outputs]

    def _type(self, name: str) -> str:
        dtype = str(self._engine.get_tensor_dtype(name)).rpartition(".")[2]
        if dtype not in TYPES:
            raise BackendError(f"cannot exchange tensor {name!r}", why=f"it is of type {dtype}")
        return dtype

    def renew(self, shapes: dict[str, Any]) -> None:
        """Makes a new context for these input shapes, and makes the first call.

        Args:
            shapes: By input; those that the engine fixes may be left out.

        Raises:
            BackendError: A shape does not fit, or the device has no room.
        """
        self.release()
        context = self._engine.create_execution_context()
        if context is None:
            raise self._library.refused("TensorRT cannot make room to run the engine")
        self.context = context
        for name in self._inputs:
            fixed = tuple(self._engine.get_tensor_shape(name))
            wanted = tuple(shapes.get(name, fixed))
            if wanted != fixed and not context.set_input_shape(name, wanted):
                raise self._library.refused(f"the engine does not take {list(wanted)} for {name!r}")
        self.inputs = [self._placed(name) for name in self._inputs]
        self.outputs = [self._placed(name) for name in self._outputs]
        # What is set up at the first call must not be captured.
        self._enqueue(False)
        self._cuda.wait(self.stream)
        self._capture(False)

    def _capture(self, transfers: bool) -> None:
        """Captures one call, once, where calls are to be captured and can be."""
        if transfers in self._graphs:
            return
        self._graphs[transfers] = None
        if self._options["graph"]:
            try:
                made = self._cuda.capture(self.stream, lambda: self._enqueue(transfers))
                self._graphs[transfers] = made
            except BackendError as error:
                self.notes.append(f"calls are not captured as a graph: {error.what}")

    def _placed(self, name: str) -> Tensor:
        engine = self._engine
        if engine.get_tensor_location(name) != self._library.trt.TensorLocation.DEVICE:
            raise BackendError(
                f"the values of {name!r} decide about shapes, which is not supported",
                fix="build the engine for fixed shapes",
            )
        shape = tuple(int(size) for size in self.context.get_tensor_shape(name))
        if any(size < 0 for size in shape):
            raise BackendError(
                f"the shape of {name!r} depends on the data", why=f"it is {list(shape)}"
            )
        tensor = Tensor(self._cuda, name, self._type(name), shape)
        if not self.context.set_tensor_address(name, tensor.device):
            raise self._library.refused(f"TensorRT refuses the memory of {name!r}")
        return tensor

    def release(self) -> None:
        """Gives the context and all memory back."""
        cuda = self._cuda
        for graph in self._graphs.values():
            if graph is not None:
                cuda.drop(graph)
        self._graphs, self.context = {}, None
        for tensor in self.inputs + self.outputs:
            cuda.free(tensor.device)
            cuda.free_host(tensor.host)
        self.inputs, self.outputs = [], []

    def feed(self, described: list[list[Any]], blobs: list[bytes]) -> None:
        """Takes inputs, and brings them to the device.

        Args:
            described: Name, element type and shape of each.
            blobs: Their bytes.

        Raises:
            BackendError: They do not fit the engine.
        """
        given = {entry[0]: (entry[1], tuple(entry[2]), blob)
                 for entry, blob in zip(described, blobs)}  # noqa: B905  # fmt: skip
        if sorted(given) != sorted(self._inputs):
            raise BackendError("the engine takes other inputs", why=", ".join(self._inputs))
        shapes = {name: shape for name, (_, shape, _) in given.items()}
        self._reshape(shapes)
        for tensor in self.inputs:
            dtype, _, blob = given[tensor.name]
            if dtype != tensor.dtype or len(blob) != tensor.size:
                raise BackendError(
                    f"input {tensor.name!r} does not fit",
                    why=f"it is {dtype} of {len(blob)} bytes, "
                    f"the engine takes {tensor.dtype} of {tensor.size}",
                )
            ctypes.memmove(tensor.host, blob, tensor.size)
        self._upload()
        self._cuda.wait(self.stream)

    def _reshape(self, shapes: dict[str, Any]) -> None:
        """Makes ready for other shapes; where that fails, the last ones are kept."""
        last = {tensor.name: tensor.shape for tensor in self.inputs}
        if shapes == last:
            return
        try:
            self.renew(shapes)
        except BackendError:
            self.renew(last)
            raise

    def call(self) -> tuple[list[list[Any]], list[bytes]]:
        """Runs once on the inputs taken last; returns the outputs as `feed` takes inputs."""
        for tensor in self.outputs:
            self._cuda.fill(tensor.device, _UNWRITTEN, tensor.size, self.stream)
        self._launch(False)
        self._download()
        self._cuda.wait(self.stream)
        described = [[tensor.name, tensor.dtype, list(tensor.shape)] for tensor in self.outputs]
        return described, [ctypes.string_at(one.host, one.size) for one in self.outputs]

    def _upload(self) -> None:
        for tensor in self.inputs:
            self._cuda.upload(tensor.device, tensor.host, tensor.size, self.stream)

    def _download(self) -> None:
        for tensor in self.outputs:
            self._cuda.download(tensor.host, tensor.device, tensor.size, self.stream)

    def _enqueue(self, transfers: bool) -> None:
        if transfers:
            self._upload()
        if not self.context.execute_async_v3(self.stream):
            raise self._library.refused("TensorRT cannot run the engine")
        if transfers:
            self._download()

    def _launch(self, transfers: bool) -> None:
        graph = self._graphs[transfers]
        if graph is None:
            self._enqueue(transfers)
        else:
            self._cuda.launch(graph, self.stream)

    def _timed(self, calls: int, transfers: bool) -> float:
        """Seconds on the device from before the first of some calls to after the last."""
        cuda = self._cuda
        cuda.record(self._start, self.stream)
        for _ in range(calls):
            self._launch(transfers)
        cuda.record(self._stop, self.stream)
        cuda.spin(self._stop)
        return cuda.elapsed(self._start, self._stop)

    def block(self, seconds: float, transfers: bool) -> list[float]:
        """Calls for that long, at least once; returns seconds a call on the device's clock.

        One entry is one call; of calls queued back to back ("throughput"), the mean of as many
        as take some milliseconds.

        Args:
            seconds: How long.
            transfers: Whether a call copies inputs to the device, and outputs back.
        """
        self._capture(transfers)
        calls = 1
        times: list[float] = []
        begin = time.perf_counter()
        while not times or time.perf_counter() - begin < seconds:
            spent = self._timed(calls, transfers)
            if self._options["mode"] == "throughput" and spent < min(_QUEUE, seconds) / 2:
                calls *= 2
                continue
            times.append(spent / calls)
        return times

    def layers(self, seconds: float) -> dict[str, float]:
        """Returns mean seconds a call of every layer, by TensorRT's names, in order.

        Args:
            seconds: How long calls are watched.
        """
        calls = 0
        watched: dict[str, float] = {}
        shapes = {tensor.name: tensor.shape for tensor in self.inputs}
        kept = [ctypes.string_at(tensor.host, tensor.size) for tensor in self.inputs]
        # Watched contexts are slower for good, and two at a time may not share their shapes.
        self.context.profiler = profiler(self._library.trt, watched)
        begin = time.perf_counter()
        while not calls or time.perf_counter() - begin < seconds:
            self._enqueue(False)
            self._cuda.wait(self.stream)
            calls += 1
        self.renew(shapes)
        for tensor, blob in zip(self.inputs, kept):  # noqa: B905
            ctypes.memmove(tensor.host, blob, tensor.size)
        self._upload()
        self._cuda.wait(self.stream)
        return {name: total / calls for name, total in watched.items()}
