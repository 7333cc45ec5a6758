"""TensorRT in this interpreter: its version, its names that come and go, and what it says."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from .failures import BackendError, BackendUnavailable

_SHOWN = ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO")
_SERIOUS = ("INTERNAL_ERROR", "ERROR")
_KEPT = 40


class Library:
    """TensorRT, with a logger; there is one of each in a process.

    Attributes:
        trt: The module `tensorrt`.
        version: Major and minor version.
        logger: The logger that everything is made with: TensorRT keeps the first it sees.
    """

    def __init__(self) -> None:
        """Imports TensorRT.

        Raises:
            BackendUnavailable: It cannot be imported.
        """
        # Kernels are loaded when they are first used, which 8.5 and later ask for; the driver
        # reads this when it starts.
        os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")
        try:
            self.trt = importlib.import_module("tensorrt")
            text = str(self.trt.__version__)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            # Newer wheels hold nothing until their libraries are found, and say so in many ways.
            raise BackendUnavailable(
                "TensorRT is not installed", why=f"{sys.executable}: {error}"
            ) from error
        self.text = text
        self.version = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
        self._messages: list[tuple[str, str]] = []
        self.logger = _logger(self.trt, self._messages)

    def member(self, kind: str, name: str) -> Any:
        """Returns a member of an enumeration, or None where this version has none of that name.

        Args:
            kind: The enumeration.
            name: The member.
        """
        return getattr(getattr(self.trt, kind, None), name, None)

    def bits(self, kind: str, *names: str) -> int:
        """Returns a mask of members; their numbers differ between versions.

        Args:
            kind: The enumeration.
            *names: Its members; those that this version lacks are left out.
        """
        mask = 0
        for name in names:
            member = self.member(kind, name)
            mask |= 0 if member is None else 1 << int(member)
        return mask

    def runtime(self) -> Any:
        """Returns what reads engines, plugins registered.

        Raises:
            BackendUnavailable: TensorRT finds no GPU that it can use.
        """
        self.trt.init_libnvinfer_plugins(self.logger, "")
        return self._made("Runtime")

    def builder(self) -> Any:
        """Returns what builds engines, plugins registered.

        Raises:
            BackendUnavailable: TensorRT finds no GPU that it can use.
        """
        self.trt.init_libnvinfer_plugins(self.logger, "")
        return self._made("Builder")

    def _made(self, kind: str) -> Any:
        try:
            return getattr(self.trt, kind)(self.logger)
        except TypeError as error:
            # The binding's way of saying that the library returned nothing: it found no driver.
            raise self.no_gpu("; ".join(self.said(3)) or str(error)) from error

    def no_gpu(self, why: str) -> BackendUnavailable:
        """Returns the error for a machine without a usable GPU.

        Args:
            why: What the driver or TensorRT says.
        """
        return BackendUnavailable(
            f"TensorRT {self.text} is present, but finds no usable GPU",
            why=why,
            fix="run it on a machine with an NVIDIA GPU and its driver",
        )

    def said(self, count: int = 12) -> list[str]:
        """Returns the last errors and warnings.

        Args:
            count: How many at most.
        """
        return [text for severity, text in self._messages if severity != "INFO"][-count:]

    def refused(self, what: str) -> BackendError:
        """Returns an error that gives TensorRT's own words as the reason.

        Args:
            what: What failed.
        """
        serious = [text for severity, text in self._messages if severity in _SERIOUS]
        return BackendError(what, why="\n".join(serious[-6:]) or "TensorRT gave no reason")


def _logger(trt: Any, messages: list[tuple[str, str]]) -> Any:
    """Returns a logger that keeps the last messages and prints them to the process's log."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        """Called from TensorRT's own threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            name = str(severity).rpartition(".")[2]
            if name in _SHOWN:
                messages.append((name, text))
                del messages[:-_KEPT]
                print(f"[{name}] {text}", file=sys.stderr, flush=True)

    return Logger()


def profiler(trt: Any, totals: dict[str, float]) -> Any:
    """Returns what TensorRT tells the time of every layer, in milliseconds.

    Args:
        trt: The module `tensorrt`.
        totals: Seconds by layer, which are added to.
    """

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        """Adds up."""

        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            totals[layer_name] = totals.get(layer_name, 0.0) + ms / 1e3

    return Profiler()
