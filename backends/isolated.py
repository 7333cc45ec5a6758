"""Another backend in a process of its own: it may crash or hang, and the caller goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from google.protobuf.message import EncodeError

from graphprune.backends.base import Backend, Conditions, Engine, Model, Precision, Shapes
from graphprune.backends.clock import Timer
from graphprune.backends.worker import Worker
from graphprune.backends.worker_process import Blob, Header
from graphprune.backends.worker_servant import pack, unpack
from graphprune.data import Array, InputSpec
from graphprune.errors import BackendError

SERVANT = "graphprune.backends.worker_servant:Servant"

_START = 120.0
"""Seconds a process has to import its libraries."""


@dataclass(frozen=True)
class Isolated:
    """Builds and runs the engines of another backend, each in a process of its own.

    Attributes:
        backend: The other backend; its options must be plain values.
        python: The interpreter that holds the engine's library, beside numpy and onnx; this one
            where None.
        build_limit: Seconds a build may take.
        run_limit: Seconds one run may take.
        memory_limit: Bytes of address space a process may have, on Linux; no limit where None.
            An engine that wants more fails with a BackendError, and the caller lives on.
    """

    name: ClassVar[str] = "isolated"
    extra: ClassVar[str] = "all"

    backend: Backend
    python: str | None = None
    build_limit: float = 600.0
    run_limit: float = 60.0
    memory_limit: int | None = None

    @property
    def package(self) -> str:
        """What must be installed in the interpreter."""
        return str(getattr(self.backend, "package", f"graphprune[{self.backend.extra}]"))

    def available(self) -> str | None:
        """Returns why the backend cannot be used in that interpreter, or None when it can."""
        worker = None
        try:
            worker = Worker(SERVANT, python=self.python)
            reply, _ = worker.call("available", self._named(), limit=_START)
        except BackendError as error:
            return ": ".join(filter(None, (error.what, error.why)))
        finally:
            if worker is not None:
                worker.close()
        reason: str | None = reply["reason"]
        return reason

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> IsolatedEngine:
        """Builds an engine in a new process.

        Args:
            model: A path, serialised bytes, or a ModelProto.
            shapes: Shapes by input name.
            precision: Of the arithmetic.
            threads: Threads within one operation.

        Raises:
            BackendUnavailable: The engine's library is missing there.
            BackendError: The engine refuses the model, its process ended, or the time is up.
        """
        header = {
            **self._named(),
            "path": str(Path(model).resolve()) if isinstance(model, str | Path) else None,
            "shapes": {name: list(shape) for name, shape in (shapes or {}).items()},
            "precision": precision,
            "threads": threads,
        }
        blobs = _bytes(model)
        return self._started("build", header, blobs)

    def load(
        self, path: Path, *, model: Model | None = None, threads: int | None = None
    ) -> IsolatedEngine:
        """Reads an engine that `save` wrote, in a new process.

        Args:
            path: The file.
            model: The model that it must have been built from; any where None.
            threads: Threads within one operation.

        Raises:
            BackendUnavailable: The engine's library is missing there.
            BackendError: The engine is damaged or stale, its process ended, or the time is up.
        """
        header = {
            **self._named(),
            "path": str(path.resolve()),
            "model": str(Path(model).resolve()) if isinstance(model, str | Path) else None,
            "threads": threads,
        }
        return self._started("load", header, [] if model is None else _bytes(model))

    def _started(self, call: str, header: Header, blobs: list[Blob]) -> IsolatedEngine:
        """An engine in a process of its own."""
        worker = Worker(SERVANT, python=self.python, memory=self.memory_limit)
        try:
            reply, _ = worker.call(call, header, blobs, limit=self.build_limit)
        except BaseException:
            worker.close()
            raise
        return IsolatedEngine(worker, reply, self.run_limit)

    def _named(self) -> Header:
        """The backend, for its process.

        Raises:
            BackendError: An option is no plain value.
        """
        kind: Any = self.backend
        options = {one.name: getattr(kind, one.name) for one in fields(kind)}
        try:
            json.dumps(options)
        except TypeError as error:
            raise BackendError(
                f"this {self.backend.name} backend cannot be isolated", why=str(error)
            ) from error
        return {"backend": self.backend.name, "options": options}


class IsolatedEngine(Engine):
    """An engine in another process; times are taken there."""

    def __init__(self, worker: Worker, built: Header, limit: float) -> None:
        """Takes over the process.

        Args:
            worker: The process.
            built: Its reply to `build`.
            limit: Seconds one run may take.
        """
        self._worker = worker
        self._limit = limit
        self.process: int = built["process"]
        self.inputs = tuple(
            InputSpec(name, tuple(shape), np.dtype(dtype)) for name, shape, dtype in built["inputs"]
        )
        self.outputs = tuple(built["outputs"])
        self.conditions = Conditions(**built["conditions"])

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once; see `Engine.run`.

        Raises:
            BackendError: The engine failed, its process ended, or the time is up.
        """
        described, blobs = pack(feeds)
        reply, results = self._worker.call("run", {"arrays": described}, blobs, limit=self._limit)
        # Copies: what came through the pipe cannot be written to.
        return {name: array.copy() for name, array in unpack(reply["arrays"], results).items()}

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls within the process; see `Engine.timer`.

        Raises:
            BackendError: The engine failed, its process ended, or the time is up.
        """
        return self._bound(feeds, transfers=False)

    def timer_with_transfers(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times whole calls within the process; see `Engine.timer_with_transfers`.

        Raises:
            BackendError: The engine failed, its process ended, or the time is up.
        """
        return self._bound(feeds, transfers=True)

    def _bound(self, feeds: Mapping[str, Array], *, transfers: bool) -> Timer:
        described, blobs = pack(feeds)
        header = {"arrays": described, "transfers": transfers}
        self._worker.call("bind", header, blobs, limit=self._limit)
        return self._block

    def _block(self, seconds: float) -> list[float]:
        limit = self._limit + seconds
        reply, _ = self._worker.call("time", {"seconds": seconds}, limit=limit)
        return list(map(float, reply["durations"]))

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the parts of the model; see `Engine.profile`.

        Raises:
            BackendError: The engine failed, its process ended, or the time is up.
        """
        described, blobs = pack(feeds)
        header = {"arrays": described, "seconds": seconds}
        reply, _ = self._worker.call("profile", header, blobs, limit=_START + seconds)
        times: dict[str, float] = reply["times"]
        return times

    def save(self, path: Path) -> None:
        """Writes the built engine to a file that `load` of the same backend reads.

        Raises:
            BackendError: It cannot be written, the process ended, or the time is up.
        """
        self._worker.call("save", {"path": str(path.resolve())}, limit=_START)

    def close(self) -> None:
        """Ends the process."""
        self._worker.close()


def _bytes(model: Model) -> list[Blob]:
    """The model where it is no file, serialised.

    Raises:
        BackendError: It is too large to be serialised, or no ONNX model.
    """
    if isinstance(model, bytes):
        return [model]
    if isinstance(model, str | Path):
        return []
    if not isinstance(model, onnx.ModelProto):
        raise BackendError(f"a model of type {type(model).__name__} cannot be isolated")
    try:
        return [model.SerializeToString()]
    except (EncodeError, ValueError) as error:
        raise BackendError("the model cannot be sent to another process", why=str(error)) from error
