"""Timing one thing: blocks of calls, and the latency they sum up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

Clock = Callable[[], float]
Call = Callable[[], object]


@dataclass(frozen=True)
class Latency:
    """How long single calls took.

    Attributes:
        p50: Median, in seconds.
        p95: 95th percentile, in seconds.
        calls: How many calls were timed.
    """

    p50: float
    p95: float
    calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Sums up the durations of single calls, in seconds; there is at least one."""
        p50, p95 = np.percentile(seconds, [50, 95])
        return cls(float(p50), float(p95), len(seconds))

    def to_dict(self) -> dict[str, float]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


def time_block(call: Call, seconds: float, clock: Clock) -> list[float]:
    """Calls again and again until a duration has passed, at least once.

    Reading the clock twice a call costs about 0.1 microseconds, so calls of less than a few
    microseconds cannot be told apart this way.

    Args:
        call: What is timed; it returns when the work is done.
        seconds: How long the block lasts; the call running at its end is finished.
        clock: Returns the time in seconds.

    Returns:
        The duration of each call, in seconds.
    """
    durations = []
    begin = clock()
    while True:
        start = clock()
        call()
        end = clock()
        durations.append(end - start)
        if end - begin >= seconds:
            return durations
