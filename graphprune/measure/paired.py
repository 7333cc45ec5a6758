"""Which of two is faster, on a machine that does other things as well.

Clocks drift, other work comes and goes, and the first to run may warm up the second. Timing all
of A and then all of B adds that to the result. Here blocks of A and B of equal duration alternate
in random order, each round gives one ratio of neighbours in time, and only the ratios are used.
"""

from __future__ import annotations

import functools
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from graphprune.backends.base import Engine
from graphprune.data import Array
from graphprune.measure.timing import Call, Clock, Latency, time_block

Floats = npt.NDArray[np.float64]
Verdict = Literal["faster", "slower", "same", "inconclusive"]


@dataclass(frozen=True)
class Pairing:
    """Options of a paired measurement.

    Attributes:
        seconds: Budget for all of it, warm-up included. It is exceeded only where calls are so
            slow that `min_rounds` rounds of one call each take longer.
        warmup: Seconds each of the two runs before anything counts, at most a tenth of the
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
        speedup: Time of A over time of B, the median over the rounds: above 1, B is faster.
        low: Lower end of the interval of the speedup.
        high: Upper end of it.
        noise: What A, paired with itself in the same way, shows as a difference: 0.01 is 1 %.
            It knows of this run only, not of what another build of A would give.
        verdict: "faster" or "slower" where the interval excludes 1 and the difference exceeds
            the noise, "same" where the interval lies within the tolerance, else "inconclusive".
        rounds: How many blocks of each were timed.
        seconds: How long the rounds took.
        a: Latency of A over all its calls.
        b: Latency of B over all its calls.
        confidence: Level of the interval.
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

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields, ready for JSON."""
        return asdict(self)

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
        word = "steady" if self.noise <= 0.01 else "fair" if self.noise <= 0.03 else "noisy"
        text = f"{word} machine: paired with itself, A differs by up to {self.noise:.1%}"
        if self.verdict == "inconclusive" or word == "noisy":
            text += "; measure for longer, or on an idle machine"
        return text


def compare(
    a: Call,
    b: Call,
    options: Pairing | None = None,
    *,
    clock: Clock = time.perf_counter,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Times B against A.

    Args:
        a: The baseline; returns when its work is done.
        b: The candidate.
        options: Durations, tolerance, seed.
        clock: Returns the time in seconds.
        progress: Called after every round with the fraction of the budget that is spent.
    """
    options = options or Pairing()
    calls = {"a": a, "b": b}
    order = random.Random(options.seed)
    begin = clock()
    for call in calls.values():
        time_block(call, min(options.warmup, options.seconds / 10), clock)
    block = min(options.block, options.seconds / (8 * options.min_rounds))
    blocks: dict[str, list[list[float]]] = {"a": [], "b": []}
    start = clock()
    # The next round starts only if one like the last fits, so that the budget is kept.
    last = 0.0
    while len(blocks["a"]) < options.min_rounds or clock() + last - begin <= options.seconds:
        round_begin = clock()
        for which in order.sample("ab", 2):
            blocks[which].append(time_block(calls[which], block, clock))
        last = clock() - round_begin
        if progress:
            progress(min(1.0, (clock() - begin) / options.seconds))
    return _summarize(blocks["a"], blocks["b"], clock() - start, options)


def compare_engines(
    a: Engine,
    b: Engine,
    feeds: Mapping[str, Array],
    options: Pairing | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Times engine B against engine A on the same inputs.

    Args:
        a: The baseline.
        b: The candidate; it takes the same inputs.
        feeds: One array an input. Zeros can run faster than data: see `random_feeds`.
        options: Durations, tolerance, seed.
        progress: Called after every round with the fraction of the budget that is spent.

    Raises:
        BackendError: An engine fails on the inputs.
    """
    return compare(
        functools.partial(a.run, feeds),
        functools.partial(b.run, feeds),
        options,
        progress=progress,
    )


def _summarize(
    blocks_a: list[list[float]], blocks_b: list[list[float]], seconds: float, options: Pairing
) -> Comparison:
    """Turns the durations of single calls, by block, into a comparison."""
    # Within a block the median: a call that was interrupted says nothing about the model.
    log_a, log_b = (
        np.log([max(float(np.median(block)), 1e-12) for block in blocks])
        for blocks in (blocks_a, blocks_b)
    )
    ratios = log_a - log_b
    rng = np.random.default_rng(options.seed)
    center = float(np.median(ratios))
    half = _half_width(ratios, options, rng)
    noise = _noise(log_a, options, rng)
    verdict = _verdict(center, half, noise, options.same_within)
    return Comparison(
        speedup=math.exp(center),
        low=math.exp(center - half),
        high=math.exp(center + half),
        noise=math.expm1(noise),
        verdict=verdict,
        rounds=len(ratios),
        seconds=seconds,
        a=Latency.of([call for block in blocks_a for call in block]),
        b=Latency.of([call for block in blocks_b for call in block]),
        confidence=options.confidence,
    )


def _half_width(ratios: Floats, options: Pairing, rng: np.random.Generator) -> float:
    """Returns the half width of the interval of the median log ratio.

    The standard error comes from a circular block bootstrap (Politis and Romano, "A circular
    block-resampling procedure for stationary data", 1992), which keeps the correlation of
    neighbouring rounds; the quantile is Student's with one degree of freedom fewer than there are
    blocks. Simulated at 6 to 100 rounds, the 95 % interval held the truth in 93 to 99 % of runs
    for normal, spiked and heavy-tailed noise, in 89 to 93 % for noise correlated by a half.
    """
    rounds = len(ratios)
    length = round(rounds ** (1 / 3))
    starts = rng.integers(0, rounds, (options.resamples, -(-rounds // length)))
    index = (starts[:, :, None] + np.arange(length)) % rounds
    resampled = ratios[index.reshape(options.resamples, -1)[:, :rounds]]
    error = float(np.median(resampled, axis=1).std()) * math.sqrt(rounds / (rounds - 1))
    freedom = max(2, rounds // length - 1)
    return float(stdtrit(freedom, 0.5 + options.confidence / 2)) * error


def _noise(log_a: Floats, options: Pairing, rng: np.random.Generator) -> float:
    """Returns what comparing one half of A's blocks with the other would show.

    Blocks are paired with their neighbours, as A and B are; which of a pair belongs to which half
    is drawn again and again, and the figure is the quantile of the absolute median log ratio.
    """
    pairs = len(log_a) // 2
    steps = log_a[0 : 2 * pairs : 2] - log_a[1 : 2 * pairs : 2]
    signs = rng.choice(np.array([-1.0, 1.0]), (options.resamples, pairs))
    halves = np.abs(np.median(signs * steps, axis=1))
    return float(np.quantile(halves, options.confidence))


def _verdict(center: float, half: float, noise: float, same_within: float) -> Verdict:
    """Says what may be claimed, from log ratios; see `Comparison`."""
    if abs(center) > max(half, noise):
        return "faster" if center > 0 else "slower"
    if abs(center) + half <= math.log1p(same_within):
        return "same"
    return "inconclusive"
