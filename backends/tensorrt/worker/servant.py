"""What the process does with calls; `worker_process` brings them here.

A call takes a header, which JSON holds, and blobs; it returns the same.
"""

from __future__ import annotations

import json
import os
import platform
from typing import Any

from . import building
from .cuda import Cuda
from .failures import BackendError
from .library import Library
from .running import Runner

Header = Any
Message = Any


class Servant:
    """TensorRT and one engine, driven by calls."""

    def __init__(self) -> None:
        """Imports nothing yet: what fails must fail within a call."""
        self._library: Any = None
        self._cuda: Any = None
        self._builder: Any = None
        self._runtime: Any = None
        self._engine: Any = None
        self._runner: Any = None

    def describe(self, header: Header, blobs: Any) -> Message:
        """Starts TensorRT and the driver, and says what they are.

        Raises:
            BackendUnavailable: One of them is missing.
        """
        if self._runtime is None:
            self._library = self._library or Library()
            runtime = self._library.runtime()
            try:
                self._cuda = Cuda()
            except BackendError as error:
                why = error.what + (f": {error.why}" if error.why else "")
                raise self._library.no_gpu(why) from error
            self._runtime = runtime
        return {
            "version": self._library.text,
            "python": platform.python_version(),
            "device": self._cuda.device(),
        }, ()

    def unsupported(self, header: Header, blobs: Any) -> Message:
        """Says which operators the parser does not know."""
        names = building.unsupported(self._library, self._ready(), header["operators"])
        return {"operators": names}, ()

    def build(self, header: Header, blobs: Any) -> Message:
        """Builds an engine into a file; see `building.build`."""
        return building.build(self._library, self._ready(), header), ()

    def load(self, header: Header, blobs: Any) -> Message:
        """Reads an engine and prepares its first call.

        Raises:
            BackendError: TensorRT refuses it, or there is no room.
        """
        # The builder holds memory that the engine may need.
        self._builder = None
        with open(header["engine"], "rb") as file:
            self._engine = self._runtime.deserialize_cuda_engine(file.read())
        if self._engine is None:
            raise self._library.refused(f"TensorRT {self._library.text} cannot read the engine")
        self._runner = Runner(self._library, self._cuda, self._engine, header)
        return {
            "inputs": self._runner.inputs_described(),
            "outputs": self._runner.outputs_described(),
            "memory": self._memory(),
            "notes": self._runner.notes,
            "process": os.getpid(),
        }, ()

    def run(self, header: Header, blobs: Any) -> Message:
        """Runs it once."""
        runner = self._loaded()
        runner.feed(header["arrays"], blobs)
        described, results = runner.call()
        return {"arrays": described}, results

    def bind(self, header: Header, blobs: Any) -> Message:
        """Takes the inputs that the next blocks are timed on."""
        self._loaded().feed(header["arrays"], blobs)
        return {}, ()

    def time(self, header: Header, blobs: Any) -> Message:
        """Times a block."""
        transfers = header.get("transfers", False)
        return {"durations": self._loaded().block(header["seconds"], transfers)}, ()

    def profile(self, header: Header, blobs: Any) -> Message:
        """Times the layers."""
        runner = self._loaded()
        runner.feed(header["arrays"], blobs)
        return {"times": runner.layers(header["seconds"])}, ()

    def inspect(self, header: Header, blobs: Any) -> Message:
        """Says what the engine consists of, in TensorRT's own words."""
        self._loaded()
        layout = self._library.trt.LayerInformationFormat.JSON
        inspector = self._engine.create_engine_inspector()
        return {"engine": json.loads(inspector.get_engine_information(layout))}, ()

    def _memory(self) -> Any:
        """Bytes of scratch memory, under whichever name this version has."""
        engine = self._engine
        newer = getattr(engine, "device_memory_size_v2", None)
        return getattr(engine, "device_memory_size", None) if newer is None else newer

    def _ready(self) -> Any:
        """The builder."""
        if self._builder is None:
            self._builder = self._library.builder()
        return self._builder

    def _loaded(self) -> Any:
        if self._runner is None:
            raise BackendError("no engine has been loaded")
        return self._runner
