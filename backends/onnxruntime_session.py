"""One ONNX Runtime session: running it, timing it, and the times of its nodes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graphprune.backends.base import Conditions, Engine
from graphprune.backends.cache import Key, write
from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, InputSpec
from graphprune.errors import BackendError

Adjust = Callable[[Any], None]
"""Changes session options."""

Start = Callable[[Adjust], tuple[Any, list[Any]]]
"""Starts a session with its options changed; returns it, and what must outlive it."""

Guard = Callable[[str], AbstractContextManager[None]]
"""Turns what the library raises into a BackendError that begins with these words."""

Pack = Callable[[], tuple[Key, bytes]]
"""What is saved of a session."""

_DTYPES: dict[str, str] = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "string": "object",
    **{name: name for name in ("float16", "int8", "int16", "int32", "int64")},
    **{name: name for name in ("uint8", "uint16", "uint32", "uint64")},
}

_NODE = re.compile(r"(.*)_kernel_time")


class OnnxRuntimeEngine(Engine):
    """One ONNX Runtime session."""

    def __init__(
        self,
        runtime: Any,
        session: Any,
        shared: list[Any],
        conditions: Conditions,
        start: Start,
        guard: Guard,
        pack: Pack | None,
    ) -> None:
        """Takes over a session and the values it shares, which it does not keep alive itself."""
        self._runtime = runtime
        self._session = session
        self._shared = shared
        self._start: Start | None = start
        self._guard = guard
        self._pack = pack
        self.conditions = conditions
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
        with self._guard("cannot run the model"):
            results = self._session.run(None, feeds)
        return dict(zip(self.outputs, results, strict=True))

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls; inputs and outputs stay on the device.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        # Once in the plain way, which says more clearly what does not fit.
        self.run(feeds)
        device = "cpu" if self.conditions.device == "cpu" else "cuda"
        with self._guard("cannot bind the inputs"):
            binding = self._session.io_binding()
            for name, array in feeds.items():
                value = self._runtime.OrtValue.ortvalue_from_numpy(array, device, 0)
                binding.bind_ortvalue_input(name, value)
            for name in self.outputs:
                binding.bind_output(name, device, 0)
        return partial(self._block, binding)

    def _block(self, binding: Any, seconds: float) -> list[float]:
        """Times one block of calls on bound inputs."""
        session = self._session
        if session is None:
            raise BackendError("this engine is closed")

        def call() -> None:
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

        with self._guard("cannot run the model"):
            return time_block(call, seconds)

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the nodes, as they are after optimisation, in a session of their own.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Returns:
            Mean seconds a call, by name of the node.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        if self._start is None:
            raise BackendError("this engine is closed")
        with TemporaryDirectory(prefix="graphprune-") as folder:
            with self._guard("cannot profile the model"):
                session, shared = self._start(partial(_profiling, Path(folder, "profile")))
                time_block(partial(session.run, None, feeds), seconds)
                events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
            del session, shared
        return _node_times(events)

    def save(self, path: Path) -> None:
        """Writes the optimised graph, with its weights; `OnnxRuntime.load` reads it.

        Args:
            path: The file.

        Raises:
            BackendError: It cannot be written, its weights are shared, or the engine is closed.
        """
        write(path, *self.packed())

    def packed(self) -> tuple[Key, bytes]:
        """Returns what is saved.

        Raises:
            BackendError: Its weights are shared, or the engine is closed.
        """
        if self._start is None:
            raise BackendError("this engine is closed")
        if self._pack is None:
            raise BackendError("an engine whose weights are shared cannot be saved")
        return self._pack()

    def close(self) -> None:
        """Frees the session, and then the values it shared."""
        self._session = None
        self._start = self._pack = None
        self._shared = []


def optimised(start: Start, guard: Guard) -> bytes:
    """Returns the optimised graph of a session, as a serialised ONNX model.

    Args:
        start: Starts the session.
        guard: Turns its exceptions into ours.

    Raises:
        BackendError: The graph cannot be written.
    """
    with TemporaryDirectory(prefix="graphprune-") as folder, guard("cannot save the engine"):
        target = Path(folder, "optimised.onnx")

        def written(options: Any) -> None:
            options.optimized_model_filepath = str(target)

        start(written)
        return target.read_bytes()


def _profiling(prefix: Path, options: Any) -> None:
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)


def _node_times(events: list[dict[str, Any]]) -> dict[str, float]:
    """Mean seconds a call of every node, without its first call, which sets memory up."""
    durations: dict[str, list[float]] = {}
    for event in events:
        match = _NODE.fullmatch(event.get("name", ""))
        if event.get("cat") == "Node" and match:
            durations.setdefault(match[1], []).append(event["dur"] / 1e6)
    # Nodes within loops run several times a call.
    calls = Counter(len(times) for times in durations.values()).most_common(1)
    usual = max(1, calls[0][0] - 1) if calls else 1
    return {name: sum(times[1:] or times) / usual for name, times in durations.items()}


def _spec(node: Any) -> InputSpec:
    """Reads one input of a session."""
    match = re.fullmatch(r"tensor\((\w+)\)", node.type)
    if match is None or match[1] not in _DTYPES:
        raise BackendError(f"cannot feed input {node.name!r}", why=f"it is of type {node.type}")
    shape = tuple(dim if isinstance(dim, int) else dim or None for dim in node.shape)
    return InputSpec(node.name, shape, np.dtype(_DTYPES[match[1]]))
