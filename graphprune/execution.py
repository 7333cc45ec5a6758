"""Running a model for its numbers, not for its speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx

from graphprune.backends.base import get
from graphprune.data import Array, Feeds
from graphprune.errors import BackendError
from graphprune.passes.narrow import Narrowed, materialise, write


def execute(model: onnx.ModelProto | Narrowed, feeds: Sequence[Feeds]) -> list[dict[str, Array]]:
    """Run a model on onnxruntime as it is written, without optimisations.

    Args:
        model: A whole model; or one whose tensors are still to be cut because they do not fit
            into a proto: they then lie in a temporary folder while it runs.
        feeds: One mapping of arrays a run.

    Raises:
        BackendUnavailable: onnxruntime is not installed.
        BackendError: It refuses the model.
    """
    backend = get("onnxruntime", optimization="none")
    try:
        with _runnable(model) as source:
            engine = backend.build(source)
            try:
                return [engine.run(feed) for feed in feeds]
            finally:
                engine.close()
    except BackendError as error:
        fix = error.fix or "prove it on labels only: run=False, --no-run on the command line"
        raise BackendError(error.what, where=error.where, why=error.why, fix=fix) from error


@contextmanager
def _runnable(model: onnx.ModelProto | Narrowed) -> Iterator[onnx.ModelProto | Path]:
    """What an engine takes: the model itself, or a file with its tensors beside it."""
    if isinstance(model, onnx.ModelProto):
        yield model
        return
    with TemporaryDirectory(prefix="graphprune-") as folder:
        path = Path(folder, "model.onnx")
        write(model, path)
        yield path


def execute_float64(
    model: onnx.ModelProto | Narrowed, feeds: Sequence[Feeds]
) -> list[dict[str, Array]]:
    """Run a float64 model on ONNX's reference evaluator: slow, but it has every kernel.

    Args:
        model: A whole model, or one that becomes whole here.
        feeds: One mapping of arrays a run.

    Raises:
        BackendError: It cannot run the model.
        GraphpruneError: The model exceeds what one proto can hold.
    """
    from onnx.reference import ReferenceEvaluator  # slow to import, rarely needed

    model = materialise(model) if isinstance(model, Narrowed) else model
    names = [o.name for o in model.graph.output]
    try:
        evaluator = ReferenceEvaluator(model, new_ops=_quantisation())
        results = [list(evaluator.run(None, feed)) for feed in feeds]
        return [dict(zip(names, arrays, strict=True)) for arrays in results]
    except (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError) as error:
        raise BackendError("the float64 reference cannot run the model", why=str(error)) from error


@cache
def _quantisation() -> list[Any]:
    """QuantizeLinear and DequantizeLinear; the evaluator has them from opset 19 on only."""
    from onnx.reference.op_run import OpRun

    class QuantizeLinear(OpRun):
        op_domain = ""

        def _run(self, x: Any, scale: Any, zero: Any = None, axis: Any = 1, **_: Any) -> Any:
            zero = np.zeros(np.shape(scale), np.uint8) if zero is None else np.asarray(zero)
            limits = np.iinfo(zero.dtype)
            steps = np.rint(x / _along(scale, x, axis)) + _along(zero, x, axis)
            return (np.clip(steps, limits.min, limits.max).astype(zero.dtype),)

    class DequantizeLinear(OpRun):
        op_domain = ""

        def _run(self, x: Any, scale: Any, zero: Any = None, axis: Any = 1, **_: Any) -> Any:
            shift = 0.0 if zero is None else _along(zero, x, axis).astype(np.float64)
            return ((x.astype(np.float64) - shift) * _along(scale, x, axis),)

    return [QuantizeLinear, DequantizeLinear]


def _along(vector: Any, x: Array, axis: int | None) -> Array:
    """A scale or zero point laid along an axis of ``x``."""
    flat: Array = np.asarray(vector)
    if flat.size == 1:
        return flat.reshape(())
    shape = [1] * x.ndim
    shape[1 if axis is None else axis] = flat.size
    return flat.reshape(shape)
