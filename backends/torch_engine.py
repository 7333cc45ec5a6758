"""One PyTorch module on one device: running, timing and saving it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.backends import torch_saved, torch_values
from graphprune.backends.base import Conditions, Engine, Precision
from graphprune.backends.cache import write
from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, InputSpec, check_feeds, random_feeds
from graphprune.errors import BackendError, BadData

DTYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Their names in PyTorch."""


class TorchEngine(Engine):
    """One module on one device."""

    def __init__(
        self,
        torch: Any,
        backend: Any,
        module: Any,
        inputs: tuple[InputSpec, ...],
        conditions: Conditions,
    ) -> None:
        """Takes over a module that is on its device already, and compiles it if asked to.

        Args:
            torch: The library.
            backend: The `Torch` that builds it.
            module: Not compiled.
            inputs: What it takes.
            conditions: What it runs on.
        """
        self._torch = torch
        self._backend = backend
        self._plain = module
        compiles = backend.mode == "inductor"
        self._module = torch.compile(module, fullgraph=True, dynamic=False) if compiles else module
        self._dtype = getattr(torch, DTYPES[conditions.precision])
        self.inputs = inputs
        self.outputs: tuple[str, ...] = ()
        self.conditions = conditions

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the module once.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, an operation failed, or the engine is closed.
        """
        arguments = self._arguments(feeds)
        with self._running():
            results = self._module(*arguments)
        named = torch_values.named(self._torch, results)
        self.outputs = tuple(named)
        return {name: torch_values.as_array(self._torch, tensor) for name, tensor in named.items()}

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls; inputs and outputs stay on the device.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        self.run(feeds)
        call: Callable[[], object] = partial(self._module, *self._arguments(feeds))
        if self._backend.mode == "cuda-graph":
            call = self._captured(call)
        if self._backend.device == "cpu":
            return partial(self._block, call)
        synchronize = self._torch.cuda.synchronize

        def finished() -> None:
            call()
            synchronize()

        return partial(self._block, finished)

    def timer_with_transfers(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times whole calls, from arrays to arrays; graphs are replayed.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        if self._backend.mode != "cuda-graph":
            return super().timer_with_transfers(feeds)
        self.run(feeds)
        bound = self._arguments(feeds)
        results: list[Any] = []

        def once() -> None:
            results[:] = [self._module(*bound)]

        replay = self._captured(once)

        def call() -> None:
            for held, fresh in zip(bound, self._arguments(feeds), strict=True):
                held.copy_(fresh)
            replay()
            named = torch_values.named(self._torch, results[0])
            for tensor in named.values():
                torch_values.as_array(self._torch, tensor)

        return partial(self._block, call)

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the operators with torch.profiler; operators of one name are added up.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Returns:
            Mean seconds a call within each kind of operator, callees excluded, longest first.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        arguments = self._arguments(feeds)
        with self._running(), self._torch.profiler.profile() as watched:
            calls = len(time_block(partial(self._module, *arguments), seconds))
        own = "self_cpu_time_total" if self._backend.device == "cpu" else "self_device_time_total"
        times = {row.key: getattr(row, own) / 1e6 / calls for row in watched.key_averages()}
        return dict(sorted(times.items(), key=lambda item: -item[1]))

    def save(self, path: Path) -> None:
        """Writes the module's exported program; `Torch.load` reads it.

        Args:
            path: The file. Inputs whose size is open are fixed to 1 there.

        Raises:
            BackendError: torch.export cannot trace the module, or the engine is closed.
        """
        arguments = self._arguments(random_feeds(self.inputs))
        options = {
            **asdict(self._backend),
            "precision": self.conditions.precision,
            "inputs": torch_saved.described(self.inputs, arguments),
        }
        with engine_errors("cannot save the engine"):
            payload = torch_saved.exported(self._torch, self._plain, arguments)
        digest = torch_saved.fingerprint(self._torch, self._plain)
        write(path, torch_saved.key(self._torch, self._backend.name, digest, options), payload)

    def close(self) -> None:
        """Frees the module."""
        self._module = self._plain = None

    def _block(self, call: Callable[[], object], seconds: float) -> list[float]:
        if self._module is None:
            raise BackendError("this engine is closed")
        with self._running():
            return time_block(call, seconds)

    @contextmanager
    def _running(self) -> Iterator[None]:
        torch = self._torch
        with (
            engine_errors("cannot run the model"),
            _threads(torch, self.conditions.threads),
            torch.inference_mode(),
        ):
            yield

    def _captured(self, call: Callable[[], object]) -> Callable[[], object]:
        """Captures the kernels of one call; see torch.cuda.graph on the warm-up it needs."""
        cuda = self._torch.cuda
        with self._running():
            aside = cuda.Stream()
            aside.wait_stream(cuda.current_stream())
            with cuda.stream(aside):
                for _ in range(3):
                    call()
            cuda.current_stream().wait_stream(aside)
            graph = cuda.CUDAGraph()
            with cuda.graph(graph):
                call()
        replay: Callable[[], object] = graph.replay
        return replay

    def _arguments(self, feeds: Mapping[str, Array]) -> list[Any]:
        """The feeds as tensors, in the order of the arguments."""
        if self._module is None:
            raise BackendError("this engine is closed")
        try:
            check_feeds(feeds, self.inputs)
        except BadData as error:
            raise BackendError("cannot run the model", why=error.why or error.what) from error
        found = []
        for spec in self.inputs:
            # A copy: PyTorch warns of arrays that it may not write to.
            tensor = self._torch.from_numpy(np.array(feeds[spec.name])).to(self._backend.device)
            if tensor.is_floating_point():
                tensor = tensor.to(self._dtype)
            if self._backend.channels_last and tensor.ndim == 4:
                tensor = tensor.to(memory_format=self._torch.channels_last)
            found.append(tensor)
        return found


@contextmanager
def _threads(torch: Any, wanted: int) -> Iterator[None]:
    """Sets the number of threads, which is one for the whole process, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turns what PyTorch raises into BackendError."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, NotImplementedError, AssertionError) as error:
        why = str(error).strip().splitlines() or ["it gave no reason"]
        raise BackendError(what, why=why[0]) from error
