"""Blocks and latencies, on a clock that only the timed calls move."""

from graphprune.measure.timing import Latency, time_block


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_block_lasts_as_long_as_asked_and_finishes_its_last_call() -> None:
    clock = FakeClock()

    def call() -> None:
        clock.now += 0.25

    assert time_block(call, 0.9, clock) == [0.25] * 4
    assert clock.now == 1.0


def test_a_block_has_at_least_one_call() -> None:
    clock = FakeClock()

    def call() -> None:
        clock.now += 5.0

    assert time_block(call, 0.1, clock) == [5.0]


def test_latency_of_calls() -> None:
    latency = Latency.of([float(n) for n in range(101)])
    assert latency == Latency(p50=50.0, p95=95.0, calls=101)
    assert latency.to_dict() == {"p50": 50.0, "p95": 95.0, "calls": 101}
