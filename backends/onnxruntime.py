"""ONNX Runtime on the CPU, and on NVIDIA GPUs through its CUDA and TensorRT providers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import onnx
from google.protobuf.message import DecodeError, EncodeError

from graphprune.backends import onnx_source
from graphprune.backends.base import (
    Conditions,
    Model,
    Precision,
    Shapes,
    cores,
    missing,
    register,
)
from graphprune.backends.onnxruntime_session import OnnxRuntimeEngine
from graphprune.data import Array
from graphprune.errors import BackendError

Optimization = Literal["none", "basic", "extended", "all"]
Provider = Literal["cpu", "cuda", "tensorrt"]

_LEVELS: dict[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}

_PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

_LONGEST_MESSAGE = 300
"""Characters of an engine's message that are kept; some print the whole graph."""


@register
@dataclass(frozen=True)
class OnnxRuntime:
    """Builds ONNX Runtime sessions.

    Attributes:
        optimization: How far the graph is optimised. Exact comparisons take "none" or "basic":
            the higher levels fuse and change layouts, which moves results by rounding.
        weights: Arrays that replace initializers, by name, without being copied: a later write
            to an array shows in the next run. That holds at the levels "none" and "basic" only,
            and only for initializers that constant folding leaves alone. Packing of weights is
            switched off when there are any, so do not time such a session.
        provider: What runs the operations. On a GPU, those it lacks run on the CPU.
    """

    name: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str] = "onnxruntime"
    variants: ClassVar[tuple[dict[str, str], ...]] = (
        {"provider": "cuda"},
        {"provider": "tensorrt"},
    )

    optimization: Optimization = "all"
    weights: Mapping[str, Array] = field(default_factory=dict)
    provider: Provider = "cpu"

    @property
    def package(self) -> str:
        """What must be installed: providers other than the CPU's come in another distribution."""
        return "graphprune[onnxruntime]" if self.provider == "cpu" else "onnxruntime-gpu"

    def available(self) -> str | None:
        """Returns why ONNX Runtime cannot be used here, or None when it can."""
        try:
            runtime = importlib.import_module("onnxruntime")
        except ImportError as error:
            return str(error)
        wanted, known = _PROVIDERS[self.provider], runtime.get_available_providers()
        if wanted not in known:
            return f"the installed ONNX Runtime has no {wanted}, only {', '.join(known)}"
        return None

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> OnnxRuntimeEngine:
        """Builds a session.

        Args:
            model: A path (external data is found beside it), serialised bytes, or a ModelProto.
            shapes: Shapes by input name, for the optimisation to reckon with.
            precision: "fp32", or "fp16": the graph is converted first, its inputs and outputs
                stay float32. Operations without a half-precision kernel are run in float32.
            threads: Threads within one operation; None takes every core.

        Raises:
            BackendUnavailable: ONNX Runtime is not installed.
            BackendError: It refuses the model, the shapes, or the precision, or `weights` do not
                fit the model.
        """
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        if precision == "bf16" or (precision == "fp16" and self.weights):
            raise BackendError(
                f"onnxruntime builds no {precision} engine here",
                why="weights that are shared cannot be converted" if self.weights else None,
                fix="build it in fp32, or for another backend",
            )
        runtime = importlib.import_module("onnxruntime")
        threads = threads or cores()
        guard = partial(_engine_errors, runtime)
        with guard("cannot build a session", onnx_source.place(model)):
            source = _half(model) if precision == "fp16" else model
            start = partial(self._start, runtime, source, dict(shapes or {}), threads)
            session, shared = start(None)
        conditions = Conditions(self.name, runtime.__version__, self.provider, precision, threads)
        return OnnxRuntimeEngine(runtime, session, shared, conditions, start, guard)

    def _start(
        self, runtime: Any, model: Model, shapes: Shapes, threads: int, profile: Path | None
    ) -> tuple[Any, list[Any]]:
        """Returns a session, and the values that it shares with the caller."""
        options = self._options(runtime, threads)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        for symbol, size in onnx_source.sizes(model, shapes).items() if shapes else ():
            options.add_free_dimension_override_by_name(symbol, size)
        shared = self._share(runtime, options, model)
        source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
        wanted = _PROVIDERS[self.provider]
        session = runtime.InferenceSession(
            str(source) if isinstance(source, Path) else source, options, providers=[wanted]
        )
        # A provider whose libraries do not load is passed over without an exception.
        if wanted not in session.get_providers():
            raise BackendError(f"{wanted} did not start", why="its libraries were not found")
        return session, shared

    def _options(self, runtime: Any, threads: int) -> Any:
        """Returns quiet session options, single-threaded between operations."""
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, _LEVELS[self.optimization]
        )
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = threads
        # Idle workers that spin take the cores away from whatever else is being timed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options

    def _share(self, runtime: Any, options: Any, model: Model) -> list[Any]:
        """Hands `weights` to the session to be; the values returned must outlive it."""
        if not self.weights:
            return []
        # ONNX Runtime takes unknown names and wrong shapes without a word.
        onnx_source.check_weights(self.weights, model)
        options.add_session_config_entry("session.disable_prepacking", "1")
        shared = []
        for name, array in self.weights.items():
            # A copy would be made of anything else, and sharing would quietly fail.
            if not array.flags.c_contiguous:
                raise BackendError(f"the array for weight {name!r} is not contiguous")
            value = runtime.OrtValue.ortvalue_from_numpy(array)
            options.add_initializer(name, value)
            shared.append(value)
        return shared


def _half(model: Model) -> onnx.ModelProto:
    """Returns a copy that computes in float16, between inputs and outputs as they were."""
    float16 = importlib.import_module("onnxruntime.transformers.float16")
    if isinstance(model, bytes):
        whole = onnx.load_from_string(model)
    elif isinstance(model, onnx.ModelProto):
        whole = onnx.ModelProto()
        whole.CopyFrom(model)
    else:
        whole = onnx.load(str(model))
    convert: Callable[..., onnx.ModelProto] = float16.convert_float_to_float16
    return convert(whole, keep_io_types=True)


@contextmanager
def _engine_errors(runtime: Any, what: str, where: str | None = None) -> Iterator[None]:
    """Turns what ONNX Runtime raises, here and at its Python surface, into BackendError."""
    try:
        yield
    except _failures(runtime) as error:
        raise BackendError(what, where=where, why=_shortened(str(error))) from error


@cache
def _failures(runtime: Any) -> tuple[type[Exception], ...]:
    """Lists what ONNX Runtime and the reading of a model raise; they share no base class."""
    native = (
        kind
        for kind in vars(runtime.capi.onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )
    return (*native, ValueError, RuntimeError, TypeError, OSError, DecodeError, EncodeError)


def _shortened(message: str) -> str:
    """Keeps the first line of an engine's message, without its prefix of codes."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", message.strip())
    line = text.splitlines()[0] if text else "it gave no reason"
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE] + " ..."
