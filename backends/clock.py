"""Timing one call again and again, for as long as asked."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
Call = Callable[[], object]

Timer = Callable[[float], list[float]]
"""Calls for that many seconds, at least once; returns the duration of each call in seconds."""


def time_block(call: Call, seconds: float, clock: Clock = time.perf_counter) -> list[float]:
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
