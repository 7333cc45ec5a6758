"""From a model to an engine on disk: built, compared with what the model says, and written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from graphprune.backends.base import Backend, Conditions, Engine, Precision
from graphprune.backends.tensorrt.layers import EngineLayer, read, with_groups
from graphprune.data import Feeds
from graphprune.ir.graph import Shape
from graphprune.measure import agreement
from graphprune.measure.models import sample_feeds


@dataclass(frozen=True)
class Built:
    """An engine that was written.

    Attributes:
        path: The file.
        size: Its bytes.
        seconds: What the builder took; None where the engine was found in a cache, or the backend
            does not say.
        conditions: What it runs on.
        error: Largest relative error of an output; None where none was compared.
        notes: What is not as it was asked for.
        layers: The engine's layers with their times, where they were asked for.
    """

    path: Path
    size: int
    seconds: float | None
    conditions: Conditions
    error: float | None
    notes: tuple[str, ...] = ()
    layers: tuple[EngineLayer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return {
            "engine": str(self.path),
            "bytes": self.size,
            "seconds": self.seconds,
            "conditions": self.conditions.to_dict(),
            "error": self.error,
            "notes": list(self.notes),
            "layers": [asdict(layer) for layer in self.layers],
        }


def build_engine(
    model: str | Path | onnx.ModelProto, path: Path, backend: Backend, *,
    precision: Precision = "fp32", shapes: Mapping[str, Shape] | None = None,
    feeds: Feeds | None = None, check: bool = True, layers: bool = False, seed: int = 0,
) -> Built:  # fmt: skip
    """Build an engine and write it, once it computes what the model says.

    Args:
        model: A path or a ModelProto.
        path: The file to write.
        backend: What builds it.
        precision: Of the arithmetic where the model computes in float32.
        shapes: Input shapes by name, where the model leaves them open; the engine is built for
            these, unless the backend has ranges.
        feeds: Inputs to compare on; random ones where left out. An engine of several shapes is
            compared at the smallest and largest as well.
        check: Compare outputs with those of onnxruntime without optimisation.
        layers: Time the engine's layers as well.
        seed: Of the random inputs.

    Raises:
        BackendUnavailable: The backend cannot be used here.
        BackendError: It refuses the model, or computes something else; nothing is written.
    """
    usual = shapes if shapes is not None else _usual(backend)
    first = feeds if feeds is not None else sample_feeds(model, usual, seed)
    sizes = {name: array.shape for name, array in first.items()}
    # Only what is known: a guess at an open size must not become the engine's.
    known = usual if feeds is None else sizes
    with closing(backend.build(model, shapes=known, precision=precision)) as engine:
        error = _compared(engine, model, (first, *_extremes(model, backend, sizes, seed)), check)
        engine.save(path)
        took, notes = getattr(engine, "built", None), tuple(getattr(engine, "notes", ()))
        watched = _watched(engine, model, first) if layers else ()
        size = path.stat().st_size
        return Built(path, size, took, engine.conditions, error, notes, watched)


def _watched(engine: Any, model: Any, feeds: Feeds) -> tuple[EngineLayer, ...]:
    """The layers with their times, and the groups of channels that make them what they are."""
    times = engine.profile(feeds)
    information = engine.information() if hasattr(engine, "information") else {}
    shapes = {name: array.shape for name, array in feeds.items()}
    return with_groups(read(information, times), model, shapes)


def _usual(backend: Any) -> dict[str, Shape]:
    return {name: one.usual for name, one in getattr(backend, "ranges", {}).items()}


def _extremes(model: Any, backend: Any, sizes: Mapping[str, Shape], seed: int) -> tuple[Feeds, ...]:
    """Inputs of the smallest and largest shapes, where there are any."""
    ranges = getattr(backend, "ranges", {})
    found = []
    for end in ("smallest", "largest") if ranges else ():
        shapes = {**sizes, **{name: getattr(one, end) for name, one in ranges.items()}}
        if shapes != sizes:
            found.append(sample_feeds(model, shapes, seed))
    return tuple(found)


def _compared(
    engine: Engine, model: Any, all_feeds: tuple[Feeds, ...], check: bool
) -> float | None:
    """The largest error over all inputs, where they are to be compared.

    Raises:
        BackendError: It is more than the precision explains.
    """
    if not check:
        return None
    quantised = agreement.is_quantised(model)
    return max(
        agreement.check(engine, feeds, agreement.reference(model, feeds), quantised=quantised).worst
        for feeds in all_feeds
    )
