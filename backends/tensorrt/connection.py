"""The process that holds TensorRT, and what it says of itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphprune.backends.tensorrt import worker as scripts
from graphprune.backends.worker import Worker
from graphprune.backends.worker_process import Blob, Header
from graphprune.errors import BackendError, BackendUnavailable

INTERPRETER = "GRAPHPRUNE_TENSORRT_PYTHON"
"""Names the interpreter that holds TensorRT, where none is given."""

_SERVANT = "graphprune_tensorrt.servant:Servant"
_START = 120.0
"""Seconds a process has to import TensorRT and to start the driver."""


@dataclass(frozen=True)
class Library:
    """TensorRT in a process, and the device it found.

    Attributes:
        text: Its version, such as "10.3.0".
        device: The device's name.
        capability: Its compute capability, such as "9.0".
        multiprocessors: How many it has: fewer where it is partitioned.
    """

    text: str
    device: str
    capability: str
    multiprocessors: int

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.text.split(".")[:2]
        return int(major), int(minor)

    @property
    def place(self) -> str:
        """The device as exactly as an engine depends on it."""
        return f"{self.device}, sm {self.capability}, {self.multiprocessors} multiprocessors"


class Connection:
    """A process that has started TensorRT."""

    def __init__(self, python: str | None, memory: int | None = None) -> None:
        """Starts it.

        Args:
            python: The interpreter; where None, what the environment names, or else this one.
            memory: Bytes of address space it may have.

        Raises:
            BackendUnavailable: The interpreter has no TensorRT, or TensorRT no GPU.
            BackendError: It cannot be started, or its process ended.
        """
        self.worker = Worker(_SERVANT, python=interpreter(python), root=_folder(), memory=memory)
        try:
            reply, _ = self.worker.call("describe", limit=_START)
        except BaseException:
            self.worker.close()
            raise
        device = reply["device"]
        self.library = Library(
            reply["version"], device["name"], device["capability"], device["multiprocessors"]
        )

    def call(
        self, name: str, header: Header | None = None, blobs: Sequence[Blob] = (), *, limit: float
    ) -> Header:
        """Calls the process; see `Worker.call`.

        Args:
            name: What is to be done.
            header: Goes there.
            blobs: Go there.
            limit: Seconds it may take.

        Raises:
            BackendError: It failed, ended, or the time is up.
        """
        return self.worker.call(name, header, blobs, limit=limit)[0]

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()


def interpreter(python: str | None) -> str | None:
    """Returns the interpreter that is asked to hold TensorRT; None for this one.

    Args:
        python: The one that was given, if any.
    """
    given = python or os.environ.get(INTERPRETER) or None
    # A file in the working folder is meant, not one of that name on the search path.
    return os.path.abspath(given) if given and os.path.exists(given) else given


def problem(python: str | None, memory: int | None = None) -> str | None:
    """Returns why TensorRT cannot be used in an interpreter, or None when it can.

    Args:
        python: See `Connection`.
        memory: See `Connection`.
    """
    try:
        Connection(python, memory).close()
    except (BackendError, BackendUnavailable) as error:
        return said(error)
    return None


def said(error: Any) -> str:
    """Returns an error's parts in one line.

    Args:
        error: One of this package.
    """
    return ": ".join(filter(None, (error.what, error.where, error.why)))


def _folder() -> Path:
    origin = scripts.__file__
    assert origin is not None
    return Path(origin).resolve().parent


def load(connection: Connection, plan: bytes, options: Header, *, limit: float) -> Header:
    """Hands an engine to TensorRT.

    Args:
        connection: The process that holds TensorRT.
        plan: The engine's bytes.
        options: See `worker.running.Runner`.
        limit: Seconds it may take.

    Raises:
        BackendError: TensorRT refuses it, the device has no room, or the time is up.
    """
    with tempfile.TemporaryDirectory(prefix="graphprune-") as folder:
        path = Path(folder, "model.engine")
        path.write_bytes(plan)
        return connection.call("load", {**options, "engine": str(path)}, limit=limit)
