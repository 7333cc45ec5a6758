"""OpenVINO on the CPU."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from google.protobuf.message import EncodeError

from graphprune.backends import onnx_source
from graphprune.backends.base import (
    Conditions,
    Engine,
    Model,
    Precision,
    Shapes,
    cores,
    missing,
    register,
)
from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, Dim, InputSpec, check_feeds
from graphprune.errors import BackendError, BadData

Compile = Callable[[bool], Any]
"""Returns the compiled model, one that counts the time of its nodes where asked to."""

_HINTS: dict[Precision, str] = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}


@register
@dataclass(frozen=True)
class OpenVino:
    """Builds OpenVINO engines for the CPU, one stream each.

    Attributes:
        pinned: Whether threads are tied to cores. Off: two engines in one process would be tied
            to the same ones.
    """

    name: ClassVar[str] = "openvino"
    extra: ClassVar[str] = "openvino"

    pinned: bool = False

    def available(self) -> str | None:
        """Returns why OpenVINO cannot be used here, or None when it can."""
        try:
            library = importlib.import_module("openvino")
        except ImportError as error:
            return str(error)
        devices = library.Core().available_devices
        return None if "CPU" in devices else "OpenVINO finds no CPU plugin"

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> OpenVinoEngine:
        """Compiles a model.

        Args:
            model: A path (external data is found beside it), serialised bytes, or a ModelProto.
            shapes: Shapes by input name; the engine takes these alone.
            precision: Of the arithmetic, where the processor has it.
            threads: Threads within one operation; None takes every core.

        Raises:
            BackendUnavailable: OpenVINO is not installed.
            BackendError: It refuses the model or the shapes, or the processor lacks the
                precision.
        """
        core = self._core()
        with _engine_errors("cannot compile the model", onnx_source.place(model)):
            if isinstance(model, onnx.ModelProto):
                model = model.SerializeToString()
            # From memory it would say of an absent file only that the format is unknown.
            if isinstance(model, str | Path):
                Path(model).open("rb").close()
            network = core.read_model(str(model) if isinstance(model, Path) else model)
            if shapes:
                network.reshape({name: list(shape) for name, shape in shapes.items()})
            hints = partial(self._hints, precision, threads)

            def compiled(profile: bool) -> Any:
                return core.compile_model(network, "CPU", hints(profile))

            return self._engine(compiled, precision)

    def load(
        self, path: Path, *, precision: Precision = "fp32", threads: int | None = None
    ) -> OpenVinoEngine:
        """Reads an engine that `save` wrote; OpenVINO refuses those of other versions.

        Args:
            path: A file written by this program: what it holds is run.
            precision: What it was built for.
            threads: Threads within one operation; None takes every core.

        Raises:
            BackendUnavailable: OpenVINO is not installed.
            BackendError: It is no engine of this version and processor.
        """
        core = self._core()
        with _engine_errors("cannot load the engine", str(path)):
            blob = path.read_bytes()

            def imported(profile: bool) -> Any:
                hints = self._hints(precision, threads, profile)
                return core.import_model(io.BytesIO(blob), "CPU", hints)

            return self._engine(imported, precision)

    def _core(self) -> Any:
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        return importlib.import_module("openvino").Core()

    def _hints(self, precision: Precision, threads: int | None, profile: bool) -> dict[str, Any]:
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads or cores(),
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": self.pinned,
            "PERF_COUNT": profile,
        }

    def _engine(self, compiled: Compile, precision: Precision) -> OpenVinoEngine:
        model = compiled(False)
        # A precision that the processor lacks is replaced without a word.
        found = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if found != _HINTS[precision]:
            raise BackendError(
                f"openvino builds no {precision} engine on this processor",
                why=f"it would compute in {found}",
            )
        version = importlib.import_module("openvino").__version__.partition("-")[0]
        threads = int(model.get_property("INFERENCE_NUM_THREADS"))
        conditions = Conditions(self.name, version, "cpu", precision, threads, self.pinned)
        return OpenVinoEngine(model, compiled, conditions)


class OpenVinoEngine(Engine):
    """One compiled model, with one inference request."""

    def __init__(self, model: Any, compiled: Compile, conditions: Conditions) -> None:
        """Takes over a compiled model.

        Args:
            model: The compiled model.
            compiled: Compiles it once more.
            conditions: What it runs on.
        """
        self._model = model
        self._compiled = compiled
        self._request = model.create_infer_request()
        self.conditions = conditions
        self.inputs = tuple(_spec(port) for port in model.inputs)
        self.outputs = tuple(port.any_name for port in model.outputs)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, an operation failed, or the engine is closed.
        """
        request = self._bound(self._request, feeds)
        with _engine_errors("cannot run the model"):
            request.infer()
            return {
                name: np.array(request.get_output_tensor(at).data)
                for at, name in enumerate(self.outputs)
            }

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls; inputs and outputs stay in OpenVINO's tensors.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        self.run(feeds)
        return partial(_block, self._bound(self._model.create_infer_request(), feeds))

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the nodes, as they are after optimisation, in an engine of their own.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Returns:
            Mean seconds a call, by name of the node; those fused into others are left out.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        totals: dict[str, float] = {}
        with _engine_errors("cannot profile the model"):
            request = self._bound(self._compiled(True).create_infer_request(), feeds)
            request.infer()

            def call() -> None:
                request.infer()
                for node in request.get_profiling_info():
                    if node.status == node.EXECUTED:
                        spent = node.real_time.total_seconds()
                        totals[node.node_name] = totals.get(node.node_name, 0.0) + spent

            calls = len(time_block(call, seconds))
        return {name: total / calls for name, total in totals.items()}

    def save(self, path: Path) -> None:
        """Writes the compiled model; `OpenVino.load` reads it.

        Args:
            path: The file.

        Raises:
            BackendError: It cannot be written, or the engine is closed.
        """
        if self._request is None:
            raise BackendError("this engine is closed")
        with _engine_errors("cannot save the engine", str(path)):
            path.write_bytes(self._model.export_model().getvalue())

    def close(self) -> None:
        """Frees the compiled model."""
        self._model = self._request = None

    def _bound(self, request: Any, feeds: Mapping[str, Array]) -> Any:
        """Returns a request with its inputs set.

        OpenVINO converts other element types, and runs on what it finds where inputs are missing:
        so they are compared first.
        """
        if self._request is None:
            raise BackendError("this engine is closed")
        try:
            check_feeds(feeds, self.inputs)
        except BadData as error:
            raise BackendError("cannot run the model", why=error.why or error.what) from error
        tensor = importlib.import_module("openvino").Tensor
        with _engine_errors("cannot run the model"):
            for name, array in feeds.items():
                request.set_tensor(name, tensor(np.ascontiguousarray(array)))
        return request


def _block(request: Any, seconds: float) -> list[float]:
    with _engine_errors("cannot run the model"):
        return time_block(request.infer, seconds)


def _spec(port: Any) -> InputSpec:
    """Reads one input of a compiled model."""
    shape: list[Dim] = [
        dim.get_length() if dim.is_static else None for dim in port.get_partial_shape()
    ]
    return InputSpec(port.any_name, tuple(shape), np.dtype(port.element_type.to_dtype()))


@contextmanager
def _engine_errors(what: str, where: str | None = None) -> Iterator[None]:
    """Turns what OpenVINO raises, here and at its Python surface, into BackendError."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, EncodeError) as error:
        # It prefixes where in its own sources it failed; the reason comes after.
        lines = [line for line in str(error).splitlines() if not line.startswith("Exception from")]
        why = "\n".join(line for line in lines if line.strip()) or "it gave no reason"
        raise BackendError(what, where=where, why=why) from error
