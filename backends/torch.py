"""PyTorch itself: eager, compiled by inductor, or replayed as a CUDA graph."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from graphprune.backends import torch_values
from graphprune.backends.base import (
    Conditions,
    Engine,
    Precision,
    Shapes,
    cores,
    missing,
    register,
)
from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, InputSpec, check_feeds, random_feeds
from graphprune.errors import BackendError, BadData

Mode = Literal["eager", "inductor", "cuda-graph"]

_DTYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@register
@dataclass(frozen=True)
class Torch:
    """Runs a module, or an ExportedProgram, in PyTorch.

    Attributes:
        mode: "eager", "inductor" (torch.compile), or "cuda-graph": eager kernels, captured once
            and replayed, which takes Python out of the measurement.
        channels_last: Lays four-dimensional tensors out as NHWC.
        device: "cpu" or "cuda".
    """

    name: ClassVar[str] = "torch"
    extra: ClassVar[str] = "torch"
    variants: ClassVar[tuple[dict[str, str], ...]] = ({"device": "cuda"},)

    mode: Mode = "eager"
    channels_last: bool = False
    device: Literal["cpu", "cuda"] = "cpu"

    @property
    def package(self) -> str | None:
        """What must be installed; None where it is, and lacks a device."""
        return None if importlib.util.find_spec("torch") else "graphprune[torch]"

    def available(self) -> str | None:
        """Returns why PyTorch cannot be used here in this way, or None when it can."""
        try:
            torch = importlib.import_module("torch")
        except ImportError as error:
            return str(error)
        if self.mode == "cuda-graph" and self.device != "cuda":
            return "CUDA graphs are of CUDA devices: device='cuda'"
        if self.device == "cuda" and not torch.cuda.is_available():
            return "PyTorch finds no usable CUDA device"
        return None

    def build(
        self,
        model: Any,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> TorchEngine:
        """Copies the model to the device, and compiles it where asked to.

        Args:
            model: A torch.nn.Module, which runs in evaluation mode, or an ExportedProgram.
            shapes: Shapes by argument of `forward`: needed for modules, whose inputs are taken
                to be float32; export a module that takes anything else. In the order of
                `forward`.
            precision: Of parameters and inputs; outputs come back as float32.
            threads: Threads within one operation while it runs; None takes every core.

        Raises:
            BackendUnavailable: PyTorch, or its device, is missing.
            BackendError: The model is none of these, or does not run.
        """
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        torch = importlib.import_module("torch")
        threads = threads or cores()
        module, inputs = torch_values.prepared(torch, model, shapes)
        dtype = getattr(torch, _DTYPES[precision])
        with _engine_errors("cannot build the model"):
            module = self._placed(torch, module, dtype)
        layout = ", channels last" if self.channels_last else ""
        name = f"{self.name} ({self.mode}{layout})"
        device = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        conditions = Conditions(name, torch.__version__, device, precision, threads)
        engine = TorchEngine(torch, self, module, inputs, dtype, conditions)
        # Compiles, and learns the names of the outputs.
        engine.run(random_feeds(inputs))
        return engine

    def _placed(self, torch: Any, module: Any, dtype: Any) -> Any:
        """The module on its device, in its layout; compiled where that is asked for."""
        module = module.to(self.device, dtype)
        if self.channels_last:
            module = module.to(memory_format=torch.channels_last)
        if self.mode == "inductor":
            module = torch.compile(module, fullgraph=True, dynamic=False)
        return module


class TorchEngine(Engine):
    """One module on one device."""

    def __init__(
        self,
        torch: Any,
        backend: Torch,
        module: Any,
        inputs: tuple[InputSpec, ...],
        dtype: Any,
        conditions: Conditions,
    ) -> None:
        """Takes over a module that is on its device already."""
        self._torch = torch
        self._backend = backend
        self._module = module
        self._dtype = dtype
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

    def close(self) -> None:
        """Frees the module."""
        self._module = None

    def _block(self, call: Callable[[], object], seconds: float) -> list[float]:
        if self._module is None:
            raise BackendError("this engine is closed")
        with self._running():
            return time_block(call, seconds)

    @contextmanager
    def _running(self) -> Iterator[None]:
        torch = self._torch
        with (
            _engine_errors("cannot run the model"),
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
def _engine_errors(what: str) -> Iterator[None]:
    """Turns what PyTorch raises into BackendError."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, NotImplementedError, AssertionError) as error:
        why = str(error).strip().splitlines() or ["it gave no reason"]
        raise BackendError(what, why=why[0]) from error
