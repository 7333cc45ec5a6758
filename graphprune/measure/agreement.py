"""Whether an engine computes what the model says, before any time of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphprune.backends.base import Engine, Model, Precision, get
from graphprune.backends.onnx_source import structure
from graphprune.data import Array, Feeds
from graphprune.errors import BackendError

TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 5e-2}
"""Largest relative error in the L2 norm, by precision of the engine.

Engines reorder sums, which moves float32 results by some 1e-6; a wrong kernel or layout moves
them by orders of magnitude more than any of these.
"""

QUANTISED = 5e-2
"""The same of models with quantised values: a rounding to the other side moves a whole step."""


@dataclass(frozen=True)
class Agreement:
    """How an engine's outputs compare with those of onnxruntime without optimisation.

    Attributes:
        errors: Relative error in the L2 norm by output; of outputs that are no floats, the share
            of elements that differ.
        tolerance: The largest that is accepted.
    """

    errors: dict[str, float]
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest error."""
        return max(self.errors.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return {"errors": self.errors, "tolerance": self.tolerance, "worst": self.worst}


def reference(model: Model, feeds: Feeds) -> dict[str, Array]:
    """Runs an ONNX model on onnxruntime as it is written.

    Raises:
        BackendUnavailable: onnxruntime is not installed.
        BackendError: It refuses the model.
    """
    engine = get("onnxruntime", optimization="none").build(model)
    try:
        return engine.run(feeds)
    finally:
        engine.close()


def is_quantised(model: Model) -> bool:
    """Returns whether an ONNX model has operations on quantised values."""
    nodes = structure(model).graph.node
    return any("Quantize" in node.op_type or node.op_type.endswith("Integer") for node in nodes)


def check(
    engine: Engine, feeds: Feeds, expected: Mapping[str, Array], *, quantised: bool = False
) -> Agreement:
    """Runs an engine and compares.

    Args:
        engine: What is going to be timed.
        feeds: One array an input.
        expected: The outputs it should have, by name; see `reference`.
        quantised: Whether the model has quantised values.

    Raises:
        BackendError: An output is missing, or differs by more than the tolerance.
    """
    found = engine.run(feeds)
    precision = engine.conditions.precision
    tolerance = max(TOLERANCES[precision], QUANTISED if quantised else 0.0)
    lost = sorted(set(expected) - set(found))
    if lost:
        raise BackendError(f"the engine has no output named {', '.join(map(repr, lost))}")
    errors = {name: _error(found[name], array) for name, array in expected.items()}
    wrong = [name for name, error in errors.items() if not error <= tolerance]
    if wrong:
        parts = "; ".join(f"{name}: {errors[name]:.2g}" for name in wrong)
        raise BackendError(
            f"{engine.conditions.backend} computes something else than the model says",
            why=f"relative error against onnxruntime without optimisation, {parts}; "
            f"at most {tolerance:g} is accepted in {precision}",
            fix="its times would mean nothing; to see them all the same: --no-check",
        )
    return Agreement(errors, tolerance)


def _error(found: Array, expected: Array) -> float:
    """The relative error of one output; infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if expected.dtype.kind not in "fc":
        return float(np.mean(found != expected))
    # Infinities and NaN must be the same in the same places, and are no numbers to subtract.
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return float("inf")
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    kept, wanted = found[finite].astype(wide), expected[finite].astype(wide)
    scale = float(np.linalg.norm(wanted))
    distance = float(np.linalg.norm(kept - wanted))
    return distance / scale if scale else distance
