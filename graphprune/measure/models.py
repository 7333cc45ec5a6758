"""Two model files, one engine: which is faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx

from graphprune.backends.base import get
from graphprune.data import Feeds, InputSpec, random_feeds
from graphprune.frontends.onnx import load, lower
from graphprune.ir.graph import Shape
from graphprune.measure.paired import Comparison, Pairing, compare_engines

Model = str | Path | onnx.ModelProto


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
    a: Model,
    b: Model,
    *,
    backend: str = "onnxruntime",
    feeds: Feeds | None = None,
    shapes: Mapping[str, Shape] | None = None,
    threads: int | None = None,
    options: Pairing | None = None,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Time model ``b`` against model ``a``, in turns, in one process.

    Args:
        a: The baseline.
        b: The candidate; it takes the same inputs.
        backend: Name of the engine both are built for.
        feeds: One array an input; random ones where left out.
        shapes: Input shapes by name, where the models leave them open.
        threads: Threads within one operation; None leaves the choice to the engine.
        options: Durations, tolerance, seed.
        progress: Called with the fraction of the time that is spent.

    Raises:
        BackendUnavailable: The engine is not installed.
        BackendError: It refuses a model, or a model refuses the inputs.
    """
    inputs = feeds if feeds is not None else sample_feeds(a, shapes)
    engine = get(backend)
    first = engine.build(a, threads=threads)
    second = engine.build(b, threads=threads)
    try:
        return compare_engines(first, second, inputs, options, progress=progress)
    finally:
        first.close()
        second.close()
