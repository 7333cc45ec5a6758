"""An engine in TensorRT's process, seen from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.backends.base import Conditions
from graphprune.backends.cache import Key
from graphprune.backends.clock import Timer
from graphprune.backends.isolated import IsolatedEngine
from graphprune.backends.tensorrt import layers, saved
from graphprune.backends.tensorrt.layers import EngineLayer
from graphprune.backends.worker import Worker
from graphprune.backends.worker_process import Header
from graphprune.data import Array, InputSpec, check_feeds
from graphprune.errors import BackendError, BadData


class TensorRTEngine(IsolatedEngine):
    """One engine, in a process of its own.

    Attributes:
        built: Seconds the builder took; None where the engine comes from a file.
        key: What it was built from and for.
        memory: Bytes of scratch memory it needs on the device, where TensorRT says.
        notes: What is not as it was asked for, such as a call that cannot be captured.
    """

    def __init__(
        self,
        worker: Worker,
        loaded: Header,
        plan: bytes,
        key: Key,
        interface: Mapping[str, Any],
        *,
        conditions: Conditions,
        limit: float,
        built: float | None,
    ) -> None:
        """Takes over the process.

        Args:
            worker: The process, the engine loaded.
            loaded: Its reply to `load`.
            plan: The engine's bytes.
            key: What it was built from and for.
            interface: See `Job.interface`.
            conditions: What it runs on.
            limit: Seconds one run may take.
            built: Seconds the builder took, or None.
        """
        described = {
            "process": loaded["process"],
            "inputs": interface["inputs"],
            "outputs": list(interface["outputs"]),
            "conditions": conditions.to_dict(),
        }
        super().__init__(worker, described, limit)
        self.key = key
        self.built = built
        self.memory: int | None = loaded["memory"]
        self.notes: tuple[str, ...] = tuple(loaded["notes"])
        self._plan = plan
        self._interface = dict(interface)
        self._taken = {name: np.dtype(dtype) for name, dtype, _ in loaded["inputs"]}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once; see `Engine.run`.

        Raises:
            BackendError: The feeds do not fit, the engine failed, or the time is up.
        """
        found = super().run(self._fitted(feeds))
        types = self._interface["outputs"]
        return {name: found[name].astype(types[name], copy=False) for name in self.outputs}

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls on the device's clock; see `Engine.timer`.

        Raises:
            BackendError: The feeds do not fit, the engine failed, or the time is up.
        """
        return super().timer(self._fitted(feeds))

    def timer_with_transfers(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls that bring inputs to the device, and outputs back.

        The copies are made from and to page-locked memory, within the call.

        Raises:
            BackendError: The feeds do not fit, the engine failed, or the time is up.
        """
        super().timer(self._fitted(feeds))
        return self._block_with_transfers

    def _block_with_transfers(self, seconds: float) -> list[float]:
        header = {"seconds": seconds, "transfers": True}
        reply, _ = self._worker.call("time", header, limit=self._limit + seconds)
        return list(map(float, reply["durations"]))

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the layers; see `Engine.profile`.

        Raises:
            BackendError: The feeds do not fit, the engine failed, or the time is up.
        """
        return super().profile(self._fitted(feeds), seconds=seconds)

    def information(self) -> dict[str, Any]:
        """Returns what TensorRT's inspector says of the engine.

        Raises:
            BackendError: The engine failed, or the time is up.
        """
        found: dict[str, Any] = self._worker.call("inspect", limit=self._limit)[0]["engine"]
        return found

    def layers(
        self, feeds: Mapping[str, Array], *, seconds: float = 1.0
    ) -> tuple[EngineLayer, ...]:
        """Times the layers, and says which of the model's nodes each one computes.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Raises:
            BackendError: The feeds do not fit, the engine failed, or the time is up.
        """
        times = self.profile(feeds, seconds=seconds)
        return layers.read(self.information(), times)

    def save(self, path: Path) -> None:
        """Writes the engine as TensorRT's own bytes, and its record beside it.

        Args:
            path: The file; the record is called the same with ``.json`` behind.

        Raises:
            BackendError: It cannot be written.
        """
        saved.write(path, self._plan, self.key, self._interface)

    def _fitted(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The feeds in the types that the engine takes: before version 10 it has no int64.

        Raises:
            BackendError: They do not fit the model, or are too large for the engine's type.
        """
        try:
            check_feeds(feeds, self.inputs)
        except BadData as error:
            raise BackendError("cannot run the model", why=error.why or error.what) from error
        return {spec.name: self._narrow(spec, feeds[spec.name]) for spec in self.inputs}

    def _narrow(self, spec: InputSpec, array: Array) -> Array:
        dtype = self._taken[spec.name]
        made: Array = array.astype(dtype, copy=False)
        if not np.can_cast(array.dtype, dtype) and not np.array_equal(made, array):
            raise BackendError(
                f"the values of input {spec.name!r} do not fit the engine",
                why=f"it takes {dtype}, the model {array.dtype}",
            )
        return made
