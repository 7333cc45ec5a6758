"""Blocks of calls, on a clock that only the timed calls move."""

from graphprune.backends.clock import time_block


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
