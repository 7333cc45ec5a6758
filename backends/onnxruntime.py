"""ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError

from graphprune.backends.base import Model, missing, register
from graphprune.data import Array, InputSpec
from graphprune.errors import BackendError

Optimization = Literal["none", "basic", "extended", "all"]

_LEVELS: dict[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}

_DTYPES: dict[str, str] = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "string": "object",
    **{name: name for name in ("float16", "int8", "int16", "int32", "int64")},
    **{name: name for name in ("uint8", "uint16", "uint32", "uint64")},
}

_LONGEST_MESSAGE = 300
"""Characters of an engine's message that are kept; some print the whole graph."""


@register
@dataclass(frozen=True)
class OnnxRuntime:
    """Builds ONNX Runtime sessions on the CPU.

    Attributes:
        optimization: How far the graph is optimised. Exact comparisons take "none" or "basic":
            the higher levels fuse and change layouts, which moves results by rounding.
        weights: Arrays that replace initializers, by name, without being copied: a later write
            to an array shows in the next run. That holds at the levels "none" and "basic" only,
            and only for initializers that constant folding leaves alone. Packing of weights is
            switched off when there are any, so do not time such a session.
    """

    name: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str] = "onnxruntime"

    optimization: Optimization = "all"
    weights: Mapping[str, Array] = field(default_factory=dict)

    def available(self) -> str | None:
        """Returns why ONNX Runtime cannot be used here, or None when it can."""
        try:
            importlib.import_module("onnxruntime")
        except ImportError as error:
            return str(error)
        return None

    def build(self, model: Model, *, threads: int | None = None) -> OnnxRuntimeEngine:
        """Builds a session.

        Args:
            model: A path (external data is found beside it), serialised bytes, or a ModelProto.
            threads: Threads within one operation; None lets ONNX Runtime take every core.

        Raises:
            BackendUnavailable: ONNX Runtime is not installed.
            BackendError: It refuses the model, or `weights` do not fit the model.
        """
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        runtime = importlib.import_module("onnxruntime")
        options = self._options(runtime, threads)
        with _engine_errors(runtime, "cannot build a session", _place(model)):
            shared = self._share(runtime, options, model)
            source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
            session = runtime.InferenceSession(
                str(source) if isinstance(source, Path) else source,
                options,
                providers=["CPUExecutionProvider"],
            )
        return OnnxRuntimeEngine(runtime, session, shared)

    def _options(self, runtime: Any, threads: int | None) -> Any:
        """Returns quiet session options, single-threaded between operations."""
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, _LEVELS[self.optimization]
        )
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = threads or 0
        # Idle workers that spin take the cores away from whatever else is being timed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options

    def _share(self, runtime: Any, options: Any, model: Model) -> list[Any]:
        """Hands `weights` to the session to be; the values returned must outlive it."""
        if not self.weights:
            return []
        # ONNX Runtime takes unknown names and wrong shapes without a word.
        _check_weights(self.weights, model)
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


class OnnxRuntimeEngine:
    """One ONNX Runtime session."""

    def __init__(self, runtime: Any, session: Any, shared: list[Any]) -> None:
        """Takes over a session and the values it shares, which it does not keep alive itself."""
        self._runtime = runtime
        self._session = session
        self._shared = shared
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(node.name for node in session.get_outputs())

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the session once.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, an operation failed, or the engine is closed.
        """
        if self._session is None:
            raise BackendError("this engine is closed")
        with _engine_errors(self._runtime, "cannot run the model", None):
            results = self._session.run(None, feeds)
        return dict(zip(self.outputs, results, strict=True))

    def close(self) -> None:
        """Frees the session, and then the values it shared."""
        self._session = None
        self._shared = []


def _spec(node: Any) -> InputSpec:
    """Reads one input of a session."""
    match = re.fullmatch(r"tensor\((\w+)\)", node.type)
    if match is None or match[1] not in _DTYPES:
        raise BackendError(f"cannot feed input {node.name!r}", why=f"it is of type {node.type}")
    shape = tuple(dim if isinstance(dim, int) else dim or None for dim in node.shape)
    return InputSpec(node.name, shape, np.dtype(_DTYPES[match[1]]))


def _check_weights(weights: Mapping[str, Array], model: Model) -> None:
    """Compares arrays with the initializers they replace.

    Raises:
        BackendError: An array has no initializer, or differs from it in shape or element type.
    """
    if isinstance(model, bytes):
        model = onnx.load_from_string(model)
    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(str(model), load_external_data=False)
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, array in weights.items():
        if name not in known:
            raise BackendError(f"the model has no initializer named {name!r}")
        shape = tuple(known[name].dims)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(known[name].data_type)
        if (array.shape, array.dtype) != (shape, dtype):
            raise BackendError(
                f"the array for weight {name!r} does not fit",
                why=f"it is {array.dtype}{list(array.shape)}, "
                f"the initializer is {dtype}{list(shape)}",
            )


def _place(model: Model) -> str | None:
    """Names the model in messages, where it has a name."""
    if isinstance(model, bytes):
        return None
    return (model.graph.name or None) if isinstance(model, onnx.ModelProto) else str(model)


@contextmanager
def _engine_errors(runtime: Any, what: str, where: str | None) -> Iterator[None]:
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
