"""Models on an engine: built, checked, and then timed, alone or two in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphprune.backends.base import Backend, Conditions, Engine, Precision, get
from graphprune.data import Feeds, InputSpec, random_feeds
from graphprune.frontends.onnx import load, lower
from graphprune.ir.graph import Shape
from graphprune.measure import agreement, machine
from graphprune.measure.machine import Readings
from graphprune.measure.paired import Comparison, Pairing, compare_engines
from graphprune.measure.timing import Latency

Model = str | Path | onnx.ModelProto


@dataclass(frozen=True)
class Setting:
    """What models are built for, and how they are timed.

    Attributes:
        backend: The engine.
        shapes: Input shapes by name, where the models leave them open; all engines are built for
            the shapes of the inputs that they are timed on.
        precision: Of the arithmetic.
        threads: Threads within one operation; None leaves the choice to the engine.
        check: Compare outputs with those of onnxruntime without optimisation first.
        transfers: Time the moving of inputs and outputs to and from the device as well.
    """

    backend: Backend
    shapes: Mapping[str, Shape] | None = None
    precision: Precision = "fp32"
    threads: int | None = None
    check: bool = True
    transfers: bool = False

    def build(self, model: Any, feeds: Feeds) -> Engine:
        """Builds an engine for the shapes of these inputs."""
        return self.backend.build(
            model,
            shapes={name: array.shape for name, array in feeds.items()},
            precision=self.precision,
            threads=self.threads,
        )


@dataclass(frozen=True)
class Timing:
    """What one model takes.

    Attributes:
        latency: Of single calls.
        conditions: What they ran on.
        error: Largest relative error of an output, where it was compared; see `agreement`.
        samples: Duration of every call, in seconds.
        readings: The machine, its clocks and temperatures.
        transfers: Whether inputs and outputs were moved to and from the device in every call.
    """

    latency: Latency
    conditions: Conditions
    error: float | None
    samples: list[float]
    readings: Readings | None = None
    transfers: bool = False


def sample_feeds(model: Model, shapes: Mapping[str, Shape] | None = None, seed: int = 0) -> Feeds:
    """Random inputs of a size the model takes.

    Args:
        model: A path or a ModelProto.
        shapes: Input shapes by name, where the model leaves them open.
        seed: Of the random numbers.

    Raises:
        InvalidModel: It is not a usable ONNX model.
    """
    graph = lower(load(model), shapes).graph
    values = (graph.values[name] for name in graph.inputs)
    specs = [InputSpec(v.name, v.known_shape, np.dtype(v.dtype)) for v in values]
    return random_feeds(specs, seed=seed)


def compare(
    a: Any,
    b: Any,
    *,
    backend: str | Backend = "onnxruntime",
    feeds: Feeds | None = None,
    shapes: Mapping[str, Shape] | None = None,
    precision: Precision = "fp32",
    threads: int | None = None,
    options: Pairing | None = None,
    check: bool = True,
    transfers: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Time model ``b`` against model ``a``, in turns; each is what the backend takes.

    Args:
        a: The baseline.
        b: The candidate; it takes the same inputs.
        backend: The engine, or its name.
        feeds: One array an input; random ones where left out.
        shapes: Input shapes by name, where the models leave them open.
        precision: Of the arithmetic.
        threads: Threads within one operation; None leaves the choice to the engine.
        options: Durations, tolerance, seed.
        check: Compare outputs first, with onnxruntime unoptimised or PyTorch in float32.
        transfers: Time the moving of inputs and outputs to and from the device as well.
        progress: Called with the fraction of the time that is spent.

    Raises:
        BackendUnavailable: The engine is not installed.
        BackendError: It refuses a model, a model refuses the inputs, or an output is wrong.
    """
    made = get(backend) if isinstance(backend, str) else backend
    setting = Setting(made, shapes, precision, threads, check, transfers)
    inputs = feeds if feeds is not None else _feeds(setting, a)
    return _in_turns(a, b, inputs, setting, options, progress)


def _in_turns(
    a: Any,
    b: Any,
    feeds: Feeds,
    setting: Setting,
    options: Pairing | None,
    progress: Callable[[float], None] | None,
) -> Comparison:
    """Builds both models, the baseline twice, and times them in turns."""
    with ExitStack() as stack:
        built = (stack.enter_context(closing(setting.build(one, feeds))) for one in (a, b, a))
        first, second, again = built
        error = _checked((first, second), (a, b), feeds, setting)
        whole = setting.transfers
        found = compare_engines(
            first, second, feeds, options, again=again, transfers=whole, progress=progress
        )
    return replace(found, error=error)


def alone(
    model: Any, feeds: Feeds, setting: Setting, *, seconds: float, warmup: float = 0.2
) -> Timing:
    """Time one model.

    Args:
        model: A path, a ModelProto, or what else the backend takes.
        feeds: One array an input.
        setting: What it is built for.
        seconds: How long calls are timed.
        warmup: How long calls are made before any counts.

    Raises:
        BackendUnavailable: The engine is not installed.
        BackendError: It refuses the model or the inputs, or an output is wrong.
    """
    with closing(setting.build(model, feeds)) as engine:
        error = _checked([engine], [model], feeds, setting)
        whole = setting.transfers
        timer = engine.timer_with_transfers(feeds) if whole else engine.timer(feeds)
        before = machine.read()
        timer(warmup)
        samples = timer(seconds)
        readings = Readings(machine.describe(), before, machine.read())
        return Timing(Latency.of(samples), engine.conditions, error, samples, readings, whole)


def _feeds(setting: Setting, model: Any) -> Feeds:
    """Random inputs of a model in any form."""
    if isinstance(model, Model):
        return sample_feeds(model, setting.shapes)
    with closing(setting.backend.build(model, shapes=setting.shapes)) as engine:
        return random_feeds(engine.inputs)


def _checked(
    engines: Sequence[Engine], models: Sequence[Any], feeds: Feeds, setting: Setting
) -> float | None:
    """The largest error of all outputs, where they are to be compared."""
    if not setting.check:
        return None
    worst = 0.0
    for engine, model in zip(engines, models, strict=True):
        if isinstance(model, Model | bytes):
            expected = agreement.reference(model, feeds)
            quantised = agreement.is_quantised(model)
        else:
            expected, quantised = _eager(model, feeds), False
        worst = max(worst, agreement.check(engine, feeds, expected, quantised=quantised).worst)
    return worst


def _eager(model: Any, feeds: Feeds) -> Feeds:
    """Runs a model of PyTorch in float32, without compiling it."""
    shapes = {name: array.shape for name, array in feeds.items()}
    with closing(get("torch").build(model, shapes=shapes)) as engine:
        return engine.run(feeds)
