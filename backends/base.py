"""What every engine offers, and the registry that finds an engine by name.

A backend is one module, or one folder, of this package: a frozen dataclass whose fields are its
options, registered with `@register`. Its engine library is imported inside its methods only, so
that this package imports fast with no engine installed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import onnx

from graphprune.data import Array, InputSpec
from graphprune.errors import BackendUnavailable

Model = str | Path | bytes | onnx.ModelProto


class Engine(Protocol):
    """A model, built and ready to run."""

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The inputs a call takes, in the model's order."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in the model's order."""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once and waits for the result.

        Args:
            feeds: One array an input.

        Returns:
            One array an output.

        Raises:
            BackendError: The engine failed, or the feeds do not fit.
        """

    def close(self) -> None:
        """Gives back what the engine holds; it cannot run afterwards."""


class Backend(Protocol):
    """A way to run a model; its fields are its options."""

    name: ClassVar[str]
    """The name it is registered under."""

    extra: ClassVar[str]
    """The extra of this distribution that installs it."""

    def available(self) -> str | None:
        """Returns why the backend cannot be used here, or None when it can."""

    def build(self, model: Model, *, threads: int | None = None) -> Engine:
        """Builds an engine.

        Args:
            model: An ONNX model: a path (external data is found beside it), its serialised
                bytes, or the loaded model.
            threads: Threads within one operation; None leaves the choice to the engine.

        Raises:
            BackendUnavailable: The engine's library is missing.
            BackendError: The engine refuses the model.
        """


BackendT = TypeVar("BackendT", bound=Backend)

_REGISTRY: dict[str, type[Backend]] = {}


def register(cls: type[BackendT]) -> type[BackendT]:
    """Enters a backend into the registry, under its `name`.

    Raises:
        ValueError: The name is taken.
    """
    if cls.name in _REGISTRY:
        raise ValueError(f"two backends are named {cls.name!r}")
    _REGISTRY[cls.name] = cls
    return cls


def _load_all() -> None:
    """Imports every module of this package, which fills the registry."""
    package = importlib.import_module("graphprune.backends")
    for module in pkgutil.iter_modules(package.__path__, "graphprune.backends."):
        importlib.import_module(module.name)


def names() -> tuple[str, ...]:
    """Returns the names of all backends, usable here or not, sorted."""
    _load_all()
    return tuple(sorted(_REGISTRY))


def get(name: str, **options: Any) -> Backend:
    """Returns a backend that can be used here.

    Args:
        name: One of `names()`.
        **options: The backend's own fields.

    Raises:
        BackendUnavailable: There is no such backend, or it cannot be used here; the message
            names the extra to install.
    """
    known = names()
    if name not in known:
        raise BackendUnavailable(
            f"there is no backend named {name!r}", fix=f"use one of: {', '.join(known)}"
        )
    make: Callable[..., Backend] = _REGISTRY[name]
    backend = make(**options)
    reason = backend.available()
    if reason is not None:
        raise missing(backend, reason)
    return backend


def missing(backend: Backend, reason: str) -> BackendUnavailable:
    """Returns the error for a backend that cannot be used here.

    Args:
        backend: The backend.
        reason: What `available` said.
    """
    return BackendUnavailable(
        f"backend {backend.name!r} cannot be used here",
        why=reason,
        fix=f"pip install 'graphprune[{backend.extra}]'",
    )
