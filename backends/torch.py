"""PyTorch itself: eager, compiled by inductor, or replayed as a CUDA graph."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from graphprune.backends import cache as saved
from graphprune.backends import processor, torch_saved, torch_values
from graphprune.backends.base import (
    Conditions,
    Precision,
    Shapes,
    missing,
    register,
)
from graphprune.backends.torch_engine import DTYPES, TorchEngine, engine_errors
from graphprune.data import InputSpec, random_feeds

Mode = Literal["eager", "inductor", "cuda-graph"]


@register
@dataclass(frozen=True)
class Torch:
    """Runs a module, or an ExportedProgram, in PyTorch.

    Attributes:
        mode: "eager", "inductor" (torch.compile), or "cuda-graph": eager kernels, captured once
            and replayed, which takes Python out of the measurement.
        channels_last: Lays four-dimensional tensors out as NHWC.
        device: "cpu" or "cuda".
    """

    name: ClassVar[str] = "torch"
    extra: ClassVar[str] = "torch"
    variants: ClassVar[tuple[dict[str, str], ...]] = (
        {"mode": "inductor"},
        {"device": "cuda"},
        {"device": "cuda", "mode": "cuda-graph"},
    )

    mode: Mode = "eager"
    channels_last: bool = False
    device: Literal["cpu", "cuda"] = "cpu"

    @property
    def package(self) -> str | None:
        """What must be installed; None where it is, and lacks a device."""
        return None if importlib.util.find_spec("torch") else "graphprune[torch]"

    def available(self) -> str | None:
        """Returns why PyTorch cannot be used here in this way, or None when it can."""
        try:
            torch = importlib.import_module("torch")
        except ImportError as error:
            return str(error)
        if self.mode == "cuda-graph" and self.device != "cuda":
            return "CUDA graphs are of CUDA devices: device='cuda'"
        if self.device == "cuda" and not torch.cuda.is_available():
            return "PyTorch finds no usable CUDA device"
        if self.mode == "inductor" and self.device == "cpu" and not _compiler():
            return "inductor compiles for the CPU with a C++ compiler, and finds none"
        return None

    def build(
        self,
        model: Any,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> TorchEngine:
        """Copies the model to the device, and compiles it where asked to.

        Args:
            model: A torch.nn.Module, which runs in evaluation mode, or an ExportedProgram.
            shapes: Shapes by argument of `forward`: needed for modules, whose inputs are taken
                to be float32; export a module that takes anything else. In the order of
                `forward`.
            precision: Of parameters and inputs; outputs come back as float32.
            threads: Threads within one operation while it runs; None takes every core.

        Raises:
            BackendUnavailable: PyTorch, or its device, is missing.
            BackendError: The model is none of these, or does not run.
        """
        torch = self._torch()
        module, inputs = torch_values.prepared(torch, model, shapes)
        with engine_errors("cannot build the model"):
            module = self._placed(torch, module, precision)
        return self._started(torch, module, inputs, precision, threads)

    def load(
        self,
        path: Path,
        *,
        model: Any = None,
        threads: int | None = None,
    ) -> TorchEngine:
        """Reads an engine that `TorchEngine.save` wrote; inductor compiles it once more.

        Args:
            path: A file written by somebody trusted: PyTorch may run code that it holds.
            model: The module that it must have been built from; any where None.
            threads: Threads within one operation while it runs; None takes every core.

        Raises:
            BackendUnavailable: PyTorch, or its device, is missing.
            BackendError: It is damaged, or of another version, mode, layout, device, or model;
                the message says which.
        """
        torch = self._torch()
        found, payload = saved.read(path)
        options = {**found.options, **asdict(self)}
        digest = found.model
        precision: Precision = found.options["precision"]
        if model is not None:
            shapes = {name: tuple(shape) for name, shape, _ in found.options["inputs"]}
            module, _ = torch_values.prepared(torch, model, shapes)
            digest = torch_saved.fingerprint(torch, self._placed(torch, module, precision))
        saved.check(path, found, torch_saved.key(torch, self.name, digest, options))
        with engine_errors("cannot load the engine"):
            module = self._placed(torch, torch_saved.imported(torch, payload), precision)
        inputs = torch_saved.specs(found.options)
        return self._started(torch, module, inputs, precision, threads)

    def _torch(self) -> Any:
        reason = self.available()
        if reason is not None:
            raise missing(self, reason)
        return importlib.import_module("torch")

    def _placed(self, torch: Any, module: Any, precision: Precision) -> Any:
        """The module on its device, in its layout."""
        module = module.to(self.device, getattr(torch, DTYPES[precision]))
        if self.channels_last:
            module = module.to(memory_format=torch.channels_last)
        return module

    def _started(
        self,
        torch: Any,
        module: Any,
        inputs: tuple[InputSpec, ...],
        precision: Precision,
        threads: int | None,
    ) -> TorchEngine:
        """The engine of a module that has its place."""
        layout = ", channels last" if self.channels_last else ""
        name = f"{self.name} ({self.mode}{layout})"
        device = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        count = threads or processor.cores()
        conditions = Conditions(name, torch.__version__, device, precision, count)
        engine = TorchEngine(torch, self, module, inputs, conditions)
        # Compiles, and learns the names of the outputs.
        engine.run(random_feeds(inputs))
        return engine


def _compiler() -> str | None:
    """The C++ compiler that inductor would call."""
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, [named] if named else ["g++", "clang++"])), None)
