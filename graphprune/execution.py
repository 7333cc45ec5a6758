"""Running a model for its numbers, not for its speed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from graphprune.backends.base import get
from graphprune.data import Array, Feeds
from graphprune.errors import BackendError


def execute(model: onnx.ModelProto, feeds: Sequence[Feeds]) -> list[dict[str, Array]]:
    """Run a model on onnxruntime as it is written, without optimisations.

    Raises:
        BackendUnavailable: onnxruntime is not installed.
        BackendError: It refuses the model.
    """
    engine = get("onnxruntime", optimization="none").build(model)
    try:
        return [engine.run(feed) for feed in feeds]
    finally:
        engine.close()


def execute_float64(model: onnx.ModelProto, feeds: Sequence[Feeds]) -> list[dict[str, Array]]:
    """Run a float64 model on ONNX's reference evaluator: slow, but it has every kernel.

    Raises:
        BackendError: It cannot run the model.
    """
    from onnx.reference import ReferenceEvaluator  # slow to import, rarely needed

    names = [o.name for o in model.graph.output]
    try:
        evaluator = ReferenceEvaluator(model)
        results = [list(evaluator.run(None, feed)) for feed in feeds]
        return [dict(zip(names, arrays, strict=True)) for arrays in results]
    except (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError) as error:
        raise BackendError("the float64 reference cannot run the model", why=str(error)) from error
