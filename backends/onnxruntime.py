"""ONNX Runtime on the CPU, and on NVIDIA GPUs through its CUDA and TensorRT providers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import onnx

from graphprune.backends import cache as saved
from graphprune.backends import onnx_source, processor
from graphprune.backends.base import (
    Conditions,
    Model,
    Precision,
    Shapes,
    missing,
    register,
)
from graphprune.backends.onnxruntime_errors import engine_errors
from graphprune.backends.onnxruntime_session import Adjust, OnnxRuntimeEngine, optimised
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
        cache: A folder that keeps optimised graphs, so that the next build of a model need not
            optimise it again; none where empty.
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
    cache: str = ""

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
        runtime = self._runtime()
        if precision == "bf16" or (precision == "fp16" and self.weights):
            raise BackendError(
                f"onnxruntime builds no {precision} engine here",
                why="weights that are shared cannot be converted" if self.weights else None,
                fix="build it in fp32, or for another backend",
            )
        sizes = dict(shapes or {})
        described = partial(self._key, runtime, model, sizes, precision)
        if self.cache and not self.weights:
            payload = saved.find(Path(self.cache), key := described())
            if payload is not None:
                return self._restored(runtime, key, payload, threads)
        conditions = self._conditions(runtime, precision, threads)
        engine = self._built(runtime, model, sizes, conditions, described)
        if self.cache and not self.weights:
            saved.keep(Path(self.cache), *engine.packed())
        return engine

    def _built(
        self,
        runtime: Any,
        model: Model,
        sizes: Shapes,
        conditions: Conditions,
        described: Callable[[], saved.Key],
    ) -> OnnxRuntimeEngine:
        """A session of a model that is not optimised yet."""
        guard = partial(engine_errors, runtime)
        with guard("cannot build a session", onnx_source.place(model)):
            source = _half(model) if conditions.precision == "fp16" else model
            start = partial(self._start, runtime, source, sizes, conditions.threads)
            session, shared = start(_unchanged)
        pack = None if self.weights else lambda: (described(), optimised(start, guard))
        return OnnxRuntimeEngine(runtime, session, shared, conditions, start, guard, pack)

    def load(
        self, path: Path, *, model: Model | None = None, threads: int | None = None
    ) -> OnnxRuntimeEngine:
        """Reads an engine that `OnnxRuntimeEngine.save` wrote: the optimised graph.

        Args:
            path: The file.
            model: The model that it must have been built from; any where None.
            threads: Threads within one operation; None takes every core.

        Raises:
            BackendUnavailable: ONNX Runtime is not installed.
            BackendError: It is damaged, or of another version, processor, provider, level of
                optimisation, or model; the message says which.
        """
        runtime = self._runtime()
        key, payload = saved.read(path)
        options = {**key.options, "optimization": self.optimization, "provider": self.provider}
        device = self._device()
        digest = key.model if model is None else saved.fingerprint(model)
        wanted = saved.Key(digest, self.name, runtime.__version__, device, options)
        saved.check(path, key, wanted)
        return self._restored(runtime, key, payload, threads)

    def _runtime(self) -> Any:
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        return importlib.import_module("onnxruntime")

    def _device(self) -> str:
        return processor.identity() if self.provider == "cpu" else self.provider

    def _conditions(self, runtime: Any, precision: Precision, threads: int | None) -> Conditions:
        version, count = runtime.__version__, threads or processor.cores()
        return Conditions(self.name, version, self.provider, precision, count)

    def _key(self, runtime: Any, model: Model, shapes: Shapes, precision: Precision) -> saved.Key:
        """What an optimised graph depends on."""
        options = {
            "precision": precision,
            "shapes": {name: list(shape) for name, shape in sorted(shapes.items())},
            "optimization": self.optimization,
            "provider": self.provider,
        }
        version = runtime.__version__
        digest = saved.fingerprint(model)
        return saved.Key(digest, self.name, version, self._device(), options)

    def _restored(
        self, runtime: Any, key: saved.Key, payload: bytes, threads: int | None
    ) -> OnnxRuntimeEngine:
        """A session of an optimised graph, which is not optimised again."""
        plain = replace(self, optimization="none", weights={})
        start = partial(plain._start, runtime, payload, {}, threads or processor.cores())
        guard = partial(engine_errors, runtime)
        with guard("cannot start the saved session"):
            session, shared = start(_unchanged)
        conditions = self._conditions(runtime, key.options["precision"], threads)
        return OnnxRuntimeEngine(
            runtime, session, shared, conditions, start, guard, lambda: (key, payload)
        )

    def _start(
        self, runtime: Any, model: Model, shapes: Shapes, threads: int, adjust: Adjust
    ) -> tuple[Any, list[Any]]:
        """Returns a session, and the values that it shares with the caller."""
        options = self._options(runtime, threads)
        adjust(options)
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


def _unchanged(options: Any) -> None:
    """Leaves session options as they are."""


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
