"""One model that OpenVINO compiled: running, timing and saving it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import EncodeError

from graphprune.backends.base import Conditions, Engine
from graphprune.backends.cache import Key, write
from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, Dim, InputSpec, check_feeds
from graphprune.errors import BackendError, BadData

Compile = Callable[[bool], Any]
"""Returns the compiled model, one that counts the time of its nodes where asked to."""


class OpenVinoEngine(Engine):
    """One compiled model, with one inference request."""

    def __init__(self, model: Any, compiled: Compile, conditions: Conditions, key: Key) -> None:
        """Takes over a compiled model.

        Args:
            model: The compiled model.
            compiled: Compiles it once more.
            conditions: What it runs on.
            key: What it was built from and for.
        """
        self._model = model
        self._key = key
        self._compiled = compiled
        self._request = model.create_infer_request()
        self.conditions = conditions
        self.inputs = tuple(_spec(port) for port in model.inputs)
        self.outputs = tuple(port.any_name for port in model.outputs)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, an operation failed, or the engine is closed.
        """
        request = self._bound(self._request, feeds)
        with engine_errors("cannot run the model"):
            request.infer()
            return {
                name: np.array(request.get_output_tensor(at).data)
                for at, name in enumerate(self.outputs)
            }

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls; inputs and outputs stay in OpenVINO's tensors.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        self.run(feeds)
        return partial(_block, self._bound(self._model.create_infer_request(), feeds))

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the nodes, as they are after optimisation, in an engine of their own.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Returns:
            Mean seconds a call, by name of the node; those fused into others are left out.

        Raises:
            BackendError: The feeds do not fit, or the engine is closed.
        """
        totals: dict[str, float] = {}
        with engine_errors("cannot profile the model"):
            request = self._bound(self._compiled(True).create_infer_request(), feeds)
            request.infer()

            def call() -> None:
                request.infer()
                for node in request.get_profiling_info():
                    if node.status == node.EXECUTED:
                        spent = node.real_time.total_seconds()
                        totals[node.node_name] = totals.get(node.node_name, 0.0) + spent

            calls = len(time_block(call, seconds))
        return {name: total / calls for name, total in totals.items()}

    def save(self, path: Path) -> None:
        """Writes the compiled model; `OpenVino.load` reads it.

        Args:
            path: The file.

        Raises:
            BackendError: It cannot be written, or the engine is closed.
        """
        write(path, self._key, self.exported())

    def exported(self) -> bytes:
        """Returns the compiled model as OpenVINO writes it.

        Raises:
            BackendError: OpenVINO cannot write it, or the engine is closed.
        """
        if self._request is None:
            raise BackendError("this engine is closed")
        with engine_errors("cannot save the engine"):
            blob: bytes = self._model.export_model().getvalue()
        return blob

    def close(self) -> None:
        """Frees the compiled model."""
        self._model = self._request = None

    def _bound(self, request: Any, feeds: Mapping[str, Array]) -> Any:
        """Returns a request with its inputs set.

        OpenVINO converts other element types, and runs on what it finds where inputs are missing:
        so they are compared first.
        """
        if self._request is None:
            raise BackendError("this engine is closed")
        try:
            check_feeds(feeds, self.inputs)
        except BadData as error:
            raise BackendError("cannot run the model", why=error.why or error.what) from error
        tensor = importlib.import_module("openvino").Tensor
        with engine_errors("cannot run the model"):
            for name, array in feeds.items():
                request.set_tensor(name, tensor(np.ascontiguousarray(array)))
        return request


def _block(request: Any, seconds: float) -> list[float]:
    with engine_errors("cannot run the model"):
        return time_block(request.infer, seconds)


def _spec(port: Any) -> InputSpec:
    """Reads one input of a compiled model."""
    shape: list[Dim] = [
        dim.get_length() if dim.is_static else None for dim in port.get_partial_shape()
    ]
    return InputSpec(port.any_name, tuple(shape), np.dtype(port.element_type.to_dtype()))


@contextmanager
def engine_errors(what: str, where: str | None = None) -> Iterator[None]:
    """Turns what OpenVINO raises, here and at its Python surface, into BackendError."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, EncodeError) as error:
        # It prefixes where in its own sources it failed; the reason comes after.
        lines = [line for line in str(error).splitlines() if not line.startswith("Exception from")]
        why = "\n".join(line for line in lines if line.strip()) or "it gave no reason"
        raise BackendError(what, where=where, why=why) from error
