"""What durations of single calls sum up to."""

import pytest

from graphprune.measure.timing import Latency


def test_latency_of_calls() -> None:
    latency = Latency.of([float(n) for n in range(101)])
    assert latency == Latency(p50=50.0, p95=95.0, p99=99.0, mean=50.0, calls=101)
    assert latency.to_dict() == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "mean": 50.0, "calls": 101}


def test_throughput_counts_samples_not_calls() -> None:
    assert Latency.of([0.5, 1.5]).throughput(8) == pytest.approx(8.0)
