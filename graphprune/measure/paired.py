"""Which of two is faster, on a machine that does other things as well.

Clocks drift, other work comes and goes, and the first to run may warm up the second. Timing all
of A and then all of B adds that to the result. Here blocks of A and B of equal duration alternate
in random order, each round gives one ratio of neighbours in time, and only the ratios are used.
Where a second build of A runs along, the ratio of the two builds of A says how far from 1 two
equal things come out, and widens the interval.
"""

from __future__ import annotations

import functools
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from graphprune.backends.base import Conditions, Engine
from graphprune.backends.clock import Call, Clock, Timer, time_block
from graphprune.data import Array
from graphprune.measure import machine
from graphprune.measure.machine import Readings
from graphprune.measure.ratio import Floats, Verdict, drift, estimate, noise_within, verdict
from graphprune.measure.timing import Latency

Blocks = dict[str, list[list[float]]]
"""Durations of single calls in seconds, by contestant and block: "a", "b", and "again"."""

_STEADY, _FAIR = 0.01, 0.03
_DRIFTED = 0.05
_WIDE = 1.2


@dataclass(frozen=True)
class Pairing:
    """Options of a paired measurement.

    Attributes:
        seconds: Budget for all of it, warm-up included. It is exceeded only where calls are so
            slow that `min_rounds` rounds of one call each take longer.
        warmup: Seconds each contestant runs before anything counts, at most a tenth of the
            budget.
        block: Seconds a block lasts, shortened where the budget would allow few rounds.
        min_rounds: Rounds that are always made; fewer give no interval worth the name.
        same_within: Two are "the same" when the interval lies within this fraction around 1.
        confidence: Level of the interval.
        resamples: Resamples of the bootstrap.
        seed: Seed of the order of blocks and of the bootstrap.
    """

    seconds: float = 10.0
    warmup: float = 0.2
    block: float = 0.1
    min_rounds: int = 6
    same_within: float = 0.02
    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """What a paired measurement found about B, compared with A.

    Attributes:
        speedup: Time of A over time of B, the winsorised geometric mean over the rounds: above
            1, B is faster.
        low: Lower end of the interval of the speedup, widened by the noise.
        high: Upper end of it.
        noise: What A, measured against A in the same way, shows as a difference: 0.01 is 1 %.
            With a second build of A, how far its ratio came out from 1; without, what the two
            halves of A's own blocks can differ by.
        verdict: "faster" or "slower" where the interval excludes 1, "same" where it lies within
            the tolerance, else "inconclusive".
        rounds: How many blocks of each were timed.
        seconds: How long the rounds took.
        a: Latency of A over all its calls.
        b: Latency of B over all its calls.
        confidence: Level of the interval.
        drift: By how much A slowed down from the first half of the rounds to the second.
        samples: The duration of every call, by contestant and block.
        conditions: What both ran on, where engines were timed.
        error: Largest relative error of an output, where outputs were compared first.
        readings: The machine, its clocks and temperatures, where engines were timed.
        transfers: Whether inputs and outputs were moved to and from the device in every call.
    """

    speedup: float
    low: float
    high: float
    noise: float
    verdict: Verdict
    rounds: int
    seconds: float
    a: Latency
    b: Latency
    confidence: float
    drift: float = 0.0
    samples: Blocks = field(default_factory=dict, repr=False)
    conditions: Conditions | None = None
    error: float | None = None
    readings: Readings | None = None
    transfers: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields but the samples, ready for JSON."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        del plain["samples"]
        conditions = self.conditions.to_dict() if self.conditions else None
        sides = {"a": self.a.to_dict(), "b": self.b.to_dict()}
        readings = self.readings.to_dict() if self.readings else None
        return {**plain, **sides, "conditions": conditions, "readings": readings}

    def sentence(self) -> str:
        """Says the result in one line."""
        claim = {
            "faster": f"{self.speedup:.2f}x faster",
            "slower": f"{1 / self.speedup:.2f}x slower",
            "same": "no difference worth naming",
            "inconclusive": "inconclusive",
        }[self.verdict]
        return (
            f"{claim}: speedup {self.speedup:.3f}, {self.confidence:.0%} interval "
            f"{self.low:.3f} to {self.high:.3f} over {self.rounds} rounds"
        )

    def noise_sentence(self) -> str:
        """Says in one line how far the machine can be trusted."""
        drifted = abs(self.drift) > _DRIFTED
        wide = self.high > self.low * _WIDE
        word = "steady" if self.noise <= _STEADY else "fair" if self.noise <= _FAIR else "noisy"
        word = "noisy" if wide else word
        told = (
            "a second build of A differs by"
            if "again" in self.samples
            else ("paired with itself, A differs by up to")
        )
        text = f"{word} machine: {told} {self.noise:.1%}"
        if drifted:
            slower = "slower" if self.drift > 0 else "faster"
            text += f"; it drifted: A became {abs(self.drift):.0%} {slower}"
        if self.verdict == "inconclusive":
            text += f"; interval {self.low:.2f} to {self.high:.2f}"
        if self.readings and self.readings.crowded:
            text += (
                f"; other work shares the cores (load {self.readings.before.load:.1f} on "
                f"{self.readings.machine.cores}): short calls are interrupted less often, which "
                "favours the faster model"
            )
        if self.verdict == "inconclusive" or word == "noisy" or drifted:
            text += "; measure for longer, or on an idle machine"
        return text


def compare(
    a: Call,
    b: Call,
    options: Pairing | None = None,
    *,
    again: Call | None = None,
    clock: Clock = time.perf_counter,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Times B against A.

    Args:
        a: The baseline; returns when its work is done.
        b: The candidate.
        options: Durations, tolerance, seed.
        again: A second build of A, to measure how far two equal things come out from another.
        clock: Returns the time in seconds.
        progress: Called after every round with the fraction of the budget that is spent.
    """
    timers = [functools.partial(time_block, call, clock=clock) for call in (a, b, again) if call]
    return compare_timers(*timers, options=options, clock=clock, progress=progress)


def compare_engines(
    a: Engine,
    b: Engine,
    feeds: Mapping[str, Array],
    options: Pairing | None = None,
    *,
    again: Engine | None = None,
    transfers: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Times engine B against engine A on the same inputs.

    Args:
        a: The baseline.
        b: The candidate; it takes the same inputs.
        feeds: One array an input. Zeros can run faster than data: see `random_feeds`.
        options: Durations, tolerance, seed.
        again: A second build of A, to measure how far two equal things come out from another.
        transfers: Move inputs and outputs to and from the device in every call.
        progress: Called after every round with the fraction of the budget that is spent.

    Raises:
        BackendError: An engine fails on the inputs.
    """
    built = [engine for engine in (a, b, again) if engine is not None]
    timers = [one.timer_with_transfers(feeds) if transfers else one.timer(feeds) for one in built]
    before = machine.read()
    found = compare_timers(*timers, options=options, progress=progress)
    readings = Readings(machine.describe(), before, machine.read())
    return replace(found, conditions=a.conditions, readings=readings, transfers=transfers)


def compare_timers(
    *timers: Timer,
    options: Pairing | None = None,
    clock: Clock = time.perf_counter,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Times blocks in turns.

    Args:
        *timers: Those of A, of B, and, where there is one, of a second build of A.
        options: Durations, tolerance, seed.
        clock: Returns the time in seconds, for the budget.
        progress: Called after every round with the fraction of the budget that is spent.
    """
    options = options or Pairing()
    contestants = dict(zip(("a", "b", "again"), timers, strict=False))
    order = random.Random(options.seed)
    begin = clock()
    for timer in contestants.values():
        timer(min(options.warmup, options.seconds / 10))
    block = min(options.block, options.seconds / (4 * len(timers) * options.min_rounds))
    blocks: Blocks = {name: [] for name in contestants}
    start = clock()
    # The next round starts only if one like the last fits, so that the budget is kept.
    last = 0.0
    while len(blocks["a"]) < options.min_rounds or clock() + last - begin <= options.seconds:
        round_begin = clock()
        for which in order.sample(list(contestants), len(contestants)):
            blocks[which].append(contestants[which](block))
        last = clock() - round_begin
        if progress:
            progress(min(1.0, (clock() - begin) / options.seconds))
    return summarize(blocks, clock() - start, options)


def summarize(blocks: Blocks, seconds: float, options: Pairing) -> Comparison:
    """Turns the durations of single calls, by block, into a comparison.

    Args:
        blocks: Those of "a" and "b", and of "again" where there is one; as many of each.
        seconds: How long it took to measure them.
        options: Tolerance, level, seed.
    """
    # Within a block the median: a call that was interrupted says nothing about the model.
    logs: dict[str, Floats] = {
        name: np.log([max(float(np.median(block)), 1e-12) for block in found])
        for name, found in blocks.items()
    }
    rng = np.random.default_rng(options.seed)
    sampling = (options.confidence, options.resamples, rng)
    center, half = estimate(logs["a"] - logs["b"], *sampling)
    if "again" in logs:
        noise = abs(estimate(logs["a"] - logs["again"], *sampling)[0])
    else:
        noise = noise_within(logs["a"], *sampling)
    half += noise
    return Comparison(
        speedup=math.exp(center),
        low=math.exp(center - half),
        high=math.exp(center + half),
        noise=math.expm1(noise),
        verdict=verdict(center, half, options.same_within),
        rounds=len(logs["a"]),
        seconds=seconds,
        a=Latency.of([call for block in blocks["a"] for call in block]),
        b=Latency.of([call for block in blocks["b"] for call in block]),
        confidence=options.confidence,
        drift=drift(logs["a"]),
        samples=blocks,
    )
