"""What an isolated engine's process does with calls: it drives one of the other backends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.backends.base import Engine, get, make
from graphprune.backends.clock import Timer
from graphprune.backends.worker_process import Blob, Header, Message
from graphprune.data import Array
from graphprune.errors import BackendError


def pack(arrays: Mapping[str, Array]) -> tuple[list[list[object]], list[Blob]]:
    """Returns name, element type and shape of every array, and their bytes.

    Raises:
        BackendError: An array holds objects.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise BackendError(f"input {name!r} cannot be sent to another process")
    described: list[list[object]] = [
        [name, array.dtype.name, list(array.shape)] for name, array in arrays.items()
    ]
    return described, [np.ascontiguousarray(array).tobytes() for array in arrays.values()]


def unpack(described: Sequence[Sequence[object]], blobs: Sequence[Blob]) -> dict[str, Array]:
    """Returns the arrays that `pack` took apart."""
    return {
        str(name): np.frombuffer(blob, np.dtype(str(dtype))).reshape(np.array(shape, int))
        for (name, dtype, shape), blob in zip(described, blobs, strict=True)
    }


class Servant:
    """One engine, driven by calls; each takes and returns a header and blobs."""

    def __init__(self) -> None:
        """Has no engine before `build`."""
        self._engine: Engine | None = None
        self._timer: Timer | None = None

    @property
    def engine(self) -> Engine:
        """The engine that was built.

        Raises:
            BackendError: There is none.
        """
        if self._engine is None:
            raise BackendError("no engine has been built")
        return self._engine

    def available(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Says why the backend cannot be used here."""
        return {"reason": make(header["backend"], **header["options"]).available()}, ()

    def build(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Builds the engine."""
        shapes = header["shapes"]
        self._engine = get(header["backend"], **header["options"]).build(
            header["path"] or bytes(blobs[0]),
            shapes={name: tuple(shape) for name, shape in shapes.items()} if shapes else None,
            precision=header["precision"],
            threads=header["threads"],
        )
        return self._described()

    def load(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Reads a saved engine."""
        backend: Any = get(header["backend"], **header["options"])
        model = bytes(blobs[0]) if blobs else header["model"]
        path, threads = Path(header["path"]), header["threads"]
        self._engine = backend.load(path, model=model, threads=threads)
        return self._described()

    def save(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Writes the engine to a file."""
        self.engine.save(Path(header["path"]))
        return {}, ()

    def _described(self) -> Message:
        """What the caller must know of the engine."""
        inputs = [[spec.name, list(spec.shape), spec.dtype.name] for spec in self.engine.inputs]
        return {
            "inputs": inputs,
            "outputs": list(self.engine.outputs),
            "conditions": self.engine.conditions.to_dict(),
            "process": os.getpid(),
        }, ()

    def run(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Runs it once."""
        described, results = pack(self.engine.run(unpack(header["arrays"], blobs)))
        return {"arrays": described}, results

    def bind(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Takes the inputs that the next blocks are timed on."""
        whole = header.get("transfers", False)
        timer = self.engine.timer_with_transfers if whole else self.engine.timer
        self._timer = timer(unpack(header["arrays"], blobs))
        return {}, ()

    def time(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Times a block."""
        if self._timer is None:
            raise BackendError("no inputs have been bound")
        return {"durations": self._timer(header["seconds"])}, ()

    def profile(self, header: Header, blobs: Sequence[Blob]) -> Message:
        """Times the parts."""
        feeds = unpack(header["arrays"], blobs)
        return {"times": self.engine.profile(feeds, seconds=header["seconds"])}, ()
