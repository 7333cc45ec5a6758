"""The latency that durations of single calls sum up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """How long single calls took.

    Attributes:
        p50: Median, in seconds.
        p95: 95th percentile, in seconds.
        p99: 99th percentile, in seconds.
        mean: Mean, in seconds.
        calls: How many calls were timed.
    """

    p50: float
    p95: float
    p99: float
    mean: float
    calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Sums up the durations of single calls, in seconds; there is at least one."""
        p50, p95, p99 = np.percentile(seconds, [50, 95, 99])
        mean = float(np.mean(seconds))
        return cls(float(p50), float(p95), float(p99), mean, len(seconds))

    def throughput(self, batch: int) -> float:
        """Returns samples a second, of calls one after the other.

        Args:
            batch: Samples a call.
        """
        return batch / self.mean

    def to_dict(self) -> dict[str, float]:
        """Returns the fields, ready for JSON."""
        return asdict(self)
