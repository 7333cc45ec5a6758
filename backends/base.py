"""What every engine offers, and the registry that finds an engine by name.

A backend is one module, or one folder, of this package: a frozen dataclass whose fields are its
options, registered with `@register`. Its engine library is imported inside its methods only, so
that this package imports fast with no engine installed.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import onnx

from graphprune.backends.clock import Timer, time_block
from graphprune.data import Array, InputSpec
from graphprune.errors import BackendError, BackendUnavailable

Model = str | Path | bytes | onnx.ModelProto
Precision = Literal["fp32", "fp16", "bf16"]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Conditions:
    """What an engine runs on: to be stated beside every time that it gave.

    Attributes:
        backend: Name of the backend.
        version: Version of the engine's library.
        device: Such as "cpu".
        precision: Of the arithmetic, where the model leaves it open.
        threads: Threads within one operation.
        pinned: Whether the engine ties its threads to cores.
    """

    backend: str
    version: str
    device: str
    precision: Precision
    threads: int
    pinned: bool = False

    def __str__(self) -> str:
        """Returns for example `onnxruntime 1.31.1, cpu, fp32, 2 threads, not pinned`."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        pinned = "pinned" if self.pinned else "not pinned"
        return (
            f"{self.backend} {self.version}, {self.device}, {self.precision}, {threads}, {pinned}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


class Engine(Protocol):
    """A model, built and ready to run; engines derive from this class.

    Attributes:
        inputs: The inputs a call takes, in the model's order.
        outputs: The names of the outputs, in the model's order.
        conditions: What it runs on.
    """

    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]
    conditions: Conditions

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once and waits for the result.

        Args:
            feeds: One array an input.

        Returns:
            One array an output.

        Raises:
            BackendError: The engine failed, or the feeds do not fit.
        """

    def timer(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what times blocks of calls on the same inputs.

        Engines with memory of their own bring the inputs there first, and leave the outputs
        there: what is timed excludes these transfers.

        Args:
            feeds: One array an input.

        Raises:
            BackendError: The feeds do not fit; the timer raises it as well.
        """
        return self.timer_with_transfers(feeds)

    def timer_with_transfers(self, feeds: Mapping[str, Array]) -> Timer:
        """Returns what `timer` does, but bringing inputs there and outputs back is timed, too.

        Args:
            feeds: One array an input.
        """
        return functools.partial(time_block, functools.partial(self.run, feeds))

    def time(
        self, feeds: Mapping[str, Array], *, seconds: float = 1.0, warmup: float = 0.2
    ) -> list[float]:
        """Times single calls, one after the other.

        Args:
            feeds: One array an input.
            seconds: How long calls are timed.
            warmup: How long calls are made before any counts.

        Returns:
            The duration of each call, in seconds; one at least.

        Raises:
            BackendError: The engine failed, or the feeds do not fit.
        """
        timer = self.timer(feeds)
        timer(warmup)
        return timer(seconds)

    def profile(self, feeds: Mapping[str, Array], *, seconds: float = 1.0) -> dict[str, float]:
        """Times the parts of the model; watching them slows the whole down.

        Args:
            feeds: One array an input.
            seconds: How long calls are watched.

        Returns:
            Mean seconds a call of every part, by its name in the engine, in order of execution.
            Parts that the engine fused are one.

        Raises:
            BackendError: The engine failed, or cannot say.
        """
        raise BackendError(f"{self.conditions.backend} gives no times of single layers")

    def save(self, path: Path) -> None:
        """Writes the built engine to a file that the backend's `load` reads.

        Args:
            path: The file.

        Raises:
            BackendError: Engines of this backend cannot be written.
        """
        raise BackendError(f"engines of {self.conditions.backend} cannot be saved")

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

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> Engine:
        """Builds an engine.

        Args:
            model: An ONNX model: a path (external data is found beside it), its serialised
                bytes, or the loaded model.
            shapes: Shapes by input name; the engine is built for these alone.
            precision: Of the arithmetic where the model computes in float32.
            threads: Threads within one operation; None leaves the choice to the engine.

        Raises:
            BackendUnavailable: The engine's library is missing.
            BackendError: The engine refuses the model, the shapes or the precision.
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


def make(name: str, **options: Any) -> Backend:
    """Returns a backend, usable here or not.

    Args:
        name: One of `names()`.
        **options: The backend's own fields.

    Raises:
        BackendUnavailable: There is no such backend.
    """
    known = names()
    if name not in known:
        raise BackendUnavailable(
            f"there is no backend named {name!r}", fix=f"use one of: {', '.join(known)}"
        )
    kind: Callable[..., Backend] = _REGISTRY[name]
    return kind(**options)


def get(name: str, **options: Any) -> Backend:
    """Returns a backend that can be used here.

    Args:
        name: One of `names()`.
        **options: The backend's own fields.

    Raises:
        BackendUnavailable: There is no such backend, or it cannot be used here; the message
            names the extra to install.
    """
    backend = make(name, **options)
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
        f"backend {backend.name!r} cannot be used here", why=reason, fix=remedy(backend, reason)
    )


def remedy(backend: Backend, reason: str | None = None) -> str | None:
    """Returns what to do about a backend that cannot be used; None where nothing is known.

    That is the command that installs it. Backends of which it depends on their options have the
    distribution as `package`; those of which it depends on the reason have a method `remedy`.

    Args:
        backend: The backend.
        reason: What `available` said, where it was asked.
    """
    own: Callable[[str | None], str] | None = getattr(backend, "remedy", None)
    if own is not None:
        return own(reason)
    package: str | None = getattr(backend, "package", f"graphprune[{backend.extra}]")
    return f"pip install '{package}'" if package else None


def variants() -> tuple[Backend, ...]:
    """Returns every backend with its default options, then with each device it has further."""
    return tuple(
        make(name, **options)
        for name in names()
        for options in ({}, *getattr(_REGISTRY[name], "variants", ()))
    )
