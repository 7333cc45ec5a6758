"""What a verification found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.passes.verify.replay import Replay

# Largest relative error that rounding explains, by the coarsest float type in the graph.
_TOLERANCES = {"float64": 1e-9, "float32": 1e-5, "float16": 1e-2, "bfloat16": 8e-2}


@dataclass(frozen=True)
class Comparison:
    """The outputs of two models on the same inputs.

    Attributes:
        errors: Largest relative error of every output: max |a − b| / max |b|.
        runs: How many inputs were tried.
        given: How many of these the user gave.
        precision: What was computed in: ``native`` (the model's own types) or ``float64``.
        rounding: The largest error in the model's own types, where float64 was needed to tell
            rounding from a mistake.
    """

    errors: Mapping[str, float]
    runs: int
    given: int = 0
    precision: str = "native"
    rounding: float | None = None

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max(self.errors.values(), default=0.0)


@dataclass(frozen=True)
class Proof:
    """The verdict on a narrowed model.

    Attributes:
        replay: The proof on labels.
        masked: Against the masked original, statistics over the survivors; None where the model
            was not run.
        tolerance: Largest error accepted in ``masked``.
        approximate: Groups that were narrowed and are not exact, with the reason.
        shift: How far the outputs move because the statistics of approximate groups run over
            the channels that are left instead of all; a property of the plan, no error.
        left_out: Approximate groups that the numeric comparison had to leave whole.
        why_not_run: Why nothing was run.
    """

    replay: Replay
    masked: Comparison | None
    tolerance: float
    approximate: Mapping[str, tuple[str, ...]]
    shift: float | None = None
    left_out: tuple[str, ...] = ()
    why_not_run: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything that was checked holds."""
        return self.replay.ok and (self.masked is None or self.masked.worst <= self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "replay": {
                "ok": self.replay.ok,
                "operations": self.replay.checked,
                "failures": list(self.replay.failures),
            },
            "masked": None
            if self.masked is None
            else {
                "worst_relative_error": self.masked.worst,
                "errors": dict(self.masked.errors),
                "runs": self.masked.runs,
                "given": self.masked.given,
                "precision": self.masked.precision,
                "rounding": self.masked.rounding,
                "tolerance": self.tolerance,
            },
            "approximate": {k: list(v) for k, v in self.approximate.items()},
            "approximate_shift": self.shift,
            "left_out": list(self.left_out),
            "why_not_run": self.why_not_run or None,
        }


def tolerance(dtypes: set[str]) -> float:
    """The tolerance for a graph whose tensors have these types."""
    return max((_TOLERANCES[d] for d in dtypes if d in _TOLERANCES), default=1e-5)


def relative_error(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Max |a − b| / max |b|; infinite where shapes or what is not finite differ."""
    if a.shape != b.shape:
        return float("inf")
    if a.dtype.kind not in "fiub" and a.dtype.name not in _TOLERANCES:
        return 0.0 if np.array_equal(a, b) else float("inf")
    x, y = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    difference = np.abs(x[finite] - y[finite]).max()
    scale = np.abs(y[finite]).max()
    return float(difference / scale) if scale > 0 else float(difference)
