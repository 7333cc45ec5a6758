"""What a measurement says: cells of a table, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphprune.measure.paired import Comparison
from graphprune.report.numbers import duration

_PERCENTILES = (50, 90, 95, 99)


def cells(found: Comparison) -> tuple[str, str, str]:
    """Median latency before and after, and how many times faster."""
    ratio = f"{found.speedup:.2f}× faster"
    if found.verdict == "slower":
        ratio = f"{1 / found.speedup:.2f}× slower"
    elif found.verdict != "faster":
        ratio = {"same": "the same"}.get(found.verdict, found.verdict)
    return duration(found.a.p50), duration(found.b.p50), ratio


def lines(found: Comparison) -> tuple[str, str]:
    """The ratio with its interval, and what the machine's noise amounts to."""
    return (
        f"timed in {found.rounds} rounds by turns on onnxruntime: speed-up {found.speedup:.2f}, "
        f"{found.confidence:.0%} interval {found.low:.2f} to {found.high:.2f}",
        f"  timed against itself the original differs by up to {found.noise:.1%}",
    )


def percentiles(seconds: Sequence[float]) -> dict[str, Any]:
    """Latency of single calls: percentiles in seconds, and how many calls there were."""
    values = np.percentile(seconds, _PERCENTILES)
    named = {f"p{p}": float(value) for p, value in zip(_PERCENTILES, values, strict=True)}
    return {**named, "calls": len(seconds)}
