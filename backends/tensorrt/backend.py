"""TensorRT, every version from 8.5 to 11, in a process of its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from graphprune.backends import cache as caching
from graphprune.backends.base import Conditions, Model, Precision, Shapes, missing, register
from graphprune.backends.tensorrt import connection as processes
from graphprune.backends.tensorrt import prepare, saved
from graphprune.backends.tensorrt.connection import Connection, Library
from graphprune.backends.tensorrt.engine import TensorRTEngine
from graphprune.backends.tensorrt.job import Job, Tuning, Wanted
from graphprune.backends.tensorrt.precision import Typing
from graphprune.backends.tensorrt.shapes import Range
from graphprune.errors import BackendError, BackendUnavailable, BadData

Mode = Literal["latency", "throughput"]

INSTALL = (
    "pip install 'graphprune[tensorrt]', whose libraries come from NVIDIA's own registry; or name "
    "an interpreter that has TensorRT 8.5 to 11, with --python or GRAPHPRUNE_TENSORRT_PYTHON: "
    "CPython 3.10 takes one without that registry, "
    "pip install tensorrt==8.5.3.1 'nvidia-cudnn-cu11<9'"
)

_LOAD = 120.0


@register
@dataclass(frozen=True)
class TensorRT:
    """Builds and runs engines of TensorRT; building, too, may crash or hang without harm.

    Attributes:
        python: The interpreter that holds TensorRT, 3.8 or later, and nothing else; what
            GRAPHPRUNE_TENSORRT_PYTHON names, or this one, where None.
        ranges: Inputs that an engine is to take in several shapes; all others are fixed.
        typing: Whether TensorRT chooses types ("weak", with builder flags, until version 10) or
            takes those of the graph ("strong", from 10 on); "auto" is strong from 11 on only.
        int8: Insist on 8-bit integers: a graph that is not quantised is refused.
        workspace: Bytes of scratch memory a layer may use; all there is where None.
        level: How hard the builder tries, 0 to 5, from 8.6 on; its own choice where None.
        tf32: Whether float32 may be multiplied with fewer digits, as TensorRT does by itself.
        libraries: Whether kernels of cuBLAS and cuDNN may be chosen as well, where this version
            still has that; without, all versions choose among the same kind of kernels.
        cache: A folder that keeps engines and timings; none where empty. Two builds of a model
            are then one engine: leave it out to see by how much builds differ.
        graph: Whether calls are captured as a CUDA graph, so that small kernels do not wait for
            the host.
        mode: What is timed: "latency", one call after the other, or "throughput", many queued
            back to back.
        build_limit: Seconds a build may take.
        run_limit: Seconds one run may take.
        memory_limit: Bytes of address space a process may have, on Linux; no limit where None.
            GPU libraries reserve far more than they use.
    """

    name: ClassVar[str] = "tensorrt"
    extra: ClassVar[str] = "tensorrt"
    isolates: ClassVar[bool] = True

    python: str | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)
    typing: Typing = "auto"
    int8: bool = False
    workspace: int | None = None
    level: int | None = None
    tf32: bool = True
    libraries: bool = False
    cache: str = ""
    graph: bool = True
    mode: Mode = "latency"
    build_limit: float = 1800.0
    run_limit: float = 60.0
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        """Refuses words that mean nothing.

        Raises:
            BadData: An option has one.
        """
        for name, words in (("typing", get_args(Typing)), ("mode", get_args(Mode))):
            value = getattr(self, name)
            if value not in words:
                raise BadData(f"'{value}' is no {name}", fix=f"use one of: {', '.join(words)}")

    def available(self) -> str | None:
        """Returns why TensorRT cannot be used here, or None when it can."""
        reason = processes.problem(self.python, self.memory_limit)
        if reason is None:
            try:
                prepare.graphsurgeon()
            except BackendUnavailable as error:
                return processes.said(error)
        return reason

    def remedy(self, reason: str | None) -> str:
        """Returns what can be done about the reason that `available` gave.

        Args:
            reason: That reason; None where it is not known.
        """
        if reason and "no usable GPU" in reason:
            return "run it on a machine with an NVIDIA GPU and its driver"
        if reason and "onnx-graphsurgeon" in reason:
            return "pip install onnx-graphsurgeon"
        return INSTALL

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> TensorRTEngine:
        """Builds an engine, or finds it in the cache.

        Args:
            model: A path (external data is found beside it), serialised bytes, or a ModelProto.
            shapes: Shapes by input name; the engine is built for these alone, unless `ranges`
                has the input.
            precision: Of the arithmetic where the model computes in float32.
            threads: Without meaning here.

        Raises:
            BackendUnavailable: TensorRT is missing, or finds no GPU.
            BackendError: It refuses the model, the shapes or the precision, its process ended,
                or the time is up; the message ends with the log.
        """
        connection = self._connected()
        try:
            job = self._job(model, connection.library, dict(shapes or {}), precision)
            plan = caching.find(Path(self.cache), job.key) if self.cache else None
            if plan is not None:
                try:
                    return self._loaded(connection, plan, job.key, job.interface, None)
                except BackendError as error:
                    self._discard(job, error)
                    connection.close()
                    connection = self._connected()
            plan, seconds = job.compile(connection, self.build_limit)
            if self.cache:
                caching.keep(Path(self.cache), job.key, plan)
            return self._loaded(connection, plan, job.key, job.interface, seconds)
        except BaseException:
            connection.close()
            raise

    def load(
        self, path: Path, *, model: Model | None = None, threads: int | None = None
    ) -> TensorRTEngine:
        """Reads an engine that `TensorRTEngine.save` wrote.

        Args:
            path: A file written by this program: what it holds is run.
            model: The model that it must have been built from; any where None.
            threads: Without meaning here.

        Raises:
            BackendUnavailable: TensorRT is missing, or finds no GPU.
            BackendError: The engine is damaged, or of another TensorRT, GPU or model; the message
                says which.
        """
        plan, key, interface = saved.read(path)
        connection = self._connected()
        try:
            library = connection.library
            digest = key.model if model is None else caching.fingerprint(model)
            wanted = caching.Key(digest, self.name, library.text, library.place, key.options)
            differences = key.against(wanted)
            if differences:
                raise saved.refused(path, "; ".join(differences))
            return self._loaded(connection, plan, key, interface, None)
        except BaseException:
            connection.close()
            raise

    def _connected(self) -> Connection:
        """Starts the process; what it lacks becomes the error of every backend."""
        prepare.graphsurgeon()
        try:
            return Connection(self.python, self.memory_limit)
        except BackendUnavailable as error:
            raise missing(self, processes.said(error)) from error

    def _job(self, model: Model, library: Library, shapes: Shapes, precision: Precision) -> Job:
        tuning = Tuning(
            self.workspace, self.level, self.tf32, self.libraries, self._timings(library)
        )
        wanted = Wanted(self.ranges, precision, self.typing, self.int8, tuning)
        return Job.of(model, library, shapes, wanted)

    def _timings(self, library: Library) -> str | None:
        """The timing cache: what one version measured on one GPU holds for no other."""
        if not self.cache:
            return None
        folder = Path(self.cache)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"timings {library.text} {library.place}".replace(" ", "-").replace("/", "-")
        return str((folder / name.replace(",", "")).resolve())

    def _loaded(
        self,
        connection: Connection,
        plan: bytes,
        key: caching.Key,
        interface: dict[str, Any],
        seconds: float | None,
    ) -> TensorRTEngine:
        reply = processes.load(
            connection,
            plan,
            {"shapes": interface["shapes"], "graph": self.graph, "mode": self.mode},
            limit=_LOAD + self.run_limit,
        )
        return TensorRTEngine(
            connection.worker,
            reply,
            plan,
            key,
            interface,
            conditions=self._conditions(connection.library, interface["precision"]),
            limit=self.run_limit,
            built=seconds,
        )

    def _conditions(self, library: Library, precision: Precision) -> Conditions:
        graph = "CUDA graph" if self.graph else "no CUDA graph"
        device = f"{library.device} ({self.mode}, {graph})"
        return Conditions(self.name, library.text, device, precision, 1)

    def _discard(self, job: Job, error: BackendError) -> None:
        """Removes a cached engine that this very TensorRT refuses all the same."""
        why = processes.said(error)
        warnings.warn(f"a cached engine is built anew: {why}", RuntimeWarning, stacklevel=3)
        (Path(self.cache) / f"{job.key.digest}.engine").unlink(missing_ok=True)
