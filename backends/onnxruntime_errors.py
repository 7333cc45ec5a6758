"""What ONNX Runtime raises, as errors of this package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError, EncodeError

from graphprune.errors import BackendError

_LONGEST_MESSAGE = 300
"""Characters of an engine's message that are kept; some print the whole graph."""


@contextmanager
def engine_errors(runtime: Any, what: str, where: str | None = None) -> Iterator[None]:
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
