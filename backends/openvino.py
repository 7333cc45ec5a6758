"""OpenVINO on the CPU."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

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
from graphprune.backends.openvino_engine import Compile, OpenVinoEngine, engine_errors
from graphprune.errors import BackendError

Hints = Callable[[bool], dict[str, Any]]
"""Properties of a compiled model, one that counts the time of its nodes where asked to."""

_HINTS: dict[Precision, str] = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}


@register
@dataclass(frozen=True)
class OpenVino:
    """Builds OpenVINO engines for the CPU, one stream each.

    Attributes:
        pinned: Whether threads are tied to cores. Off: two engines in one process would be tied
            to the same ones.
        cache: A folder that keeps compiled models, so that the next build of a model need not
            compile it again; none where empty.
    """

    name: ClassVar[str] = "openvino"
    extra: ClassVar[str] = "openvino"

    pinned: bool = False
    cache: str = ""

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
        key = self._key(model, dict(shapes or {}), precision, threads)
        payload = saved.find(Path(self.cache), key) if self.cache else None
        if payload is not None:
            return self._restored(key, payload)
        with engine_errors("cannot compile the model", onnx_source.place(model)):
            if isinstance(model, onnx.ModelProto):
                model = model.SerializeToString()
            network = core.read_model(str(model) if isinstance(model, Path) else model)
            if shapes:
                network.reshape({name: list(shape) for name, shape in shapes.items()})
            hints = partial(self._hints, precision, key.options["threads"])
            compiled = partial(_compiled, core, network, hints)
            engine = self._engine(compiled, key)
        if self.cache:
            saved.keep(Path(self.cache), key, engine.exported())
        return engine

    def load(
        self, path: Path, *, model: Model | None = None, threads: int | None = None
    ) -> OpenVinoEngine:
        """Reads an engine that `OpenVinoEngine.save` wrote: the compiled model.

        Args:
            path: The file.
            model: The model that it must have been built from; any where None.
            threads: Threads within one operation; None takes as many as it was built for.

        Raises:
            BackendUnavailable: OpenVINO is not installed.
            BackendError: It is damaged, or of another version, processor, or model; the message
                says which.
        """
        self._core()
        key, payload = saved.read(path)
        digest = key.model if model is None else saved.fingerprint(model)
        options = {**key.options, "pinned": self.pinned}
        wanted = saved.Key(digest, self.name, _version(), processor.identity(), options)
        saved.check(path, key, wanted)
        given = {"threads": threads or key.options["threads"]}
        return self._restored(replace(key, options={**key.options, **given}), payload)

    def _key(
        self, model: Model, shapes: Shapes, precision: Precision, threads: int | None
    ) -> saved.Key:
        """What a compiled model depends on."""
        options = {
            "precision": precision,
            "shapes": {name: list(shape) for name, shape in sorted(shapes.items())},
            "threads": threads or processor.cores(),
            "pinned": self.pinned,
        }
        digest = saved.fingerprint(model)
        return saved.Key(digest, self.name, _version(), processor.identity(), options)

    def _restored(self, key: saved.Key, payload: bytes) -> OpenVinoEngine:
        """An engine that need not be compiled again."""
        hints = partial(self._hints, key.options["precision"], key.options["threads"])

        def imported(profile: bool) -> Any:
            return self._core().import_model(io.BytesIO(payload), "CPU", hints(profile))

        with engine_errors("cannot load the engine"):
            return self._engine(imported, key)

    def _core(self) -> Any:
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        return importlib.import_module("openvino").Core()

    def _hints(self, precision: Precision, threads: int, profile: bool) -> dict[str, Any]:
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": self.pinned,
            "PERF_COUNT": profile,
        }

    def _engine(self, compiled: Compile, key: saved.Key) -> OpenVinoEngine:
        model = compiled(False)
        precision: Precision = key.options["precision"]
        # A precision that the processor lacks is replaced without a word.
        found = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if found != _HINTS[precision]:
            raise BackendError(
                f"openvino builds no {precision} engine on this processor",
                why=f"it would compute in {found}",
            )
        threads = int(model.get_property("INFERENCE_NUM_THREADS"))
        conditions = Conditions(self.name, _version(), "cpu", precision, threads, self.pinned)
        return OpenVinoEngine(model, compiled, conditions, key)


def _compiled(core: Any, network: Any, hints: Hints, profile: bool) -> Any:
    return core.compile_model(network, "CPU", hints(profile))


def _version() -> str:
    """The library's version, without its build."""
    version: str = importlib.import_module("openvino").__version__
    return version.partition("-")[0]
