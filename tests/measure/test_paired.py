"""Paired measurement of simulated workloads: no test here depends on real time."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from graphprune.backends.base import Conditions, Engine
from graphprune.data import Array, InputSpec
from graphprune.measure.machine import Machine as Described
from graphprune.measure.machine import Reading, Readings
from graphprune.measure.paired import Comparison, Pairing, compare, compare_engines
from graphprune.measure.timing import Latency

Noise = Callable[[float, random.Random], float]


class Machine:
    """A clock, and workloads that move it by their cost times what the noise makes of it."""

    def __init__(self, noise: Noise, seed: int = 0) -> None:
        self.now = 100.0
        self.noise = noise
        self.rng = random.Random(seed)
        self.log: list[str] = []

    def clock(self) -> float:
        return self.now

    def work(self, name: str, cost: float) -> Callable[[], None]:
        def call() -> None:
            self.log.append(name)
            self.now += cost * self.noise(self.now, self.rng)

        return call


def quiet(now: float, rng: random.Random) -> float:
    return 1.0 + 0.01 * abs(rng.gauss(0, 1))


def drifting(now: float, rng: random.Random) -> float:
    return (1.0 + (now - 100.0) / 10) * quiet(now, rng)


def spiked(now: float, rng: random.Random) -> float:
    return quiet(now, rng) * (20.0 if rng.random() < 0.05 else 1.0)


def wild(now: float, rng: random.Random) -> float:
    """Load that comes and goes every 70 ms, at random, by up to a factor of three."""
    return 1.0 + 2.0 * random.Random(int(now / 0.07)).random()


def measure(
    noise: Noise, cost_a: float, cost_b: float, *, seed: int = 0, seconds: float = 10.0
) -> Comparison:
    machine = Machine(noise, seed)
    return compare(
        machine.work("a", cost_a),
        machine.work("b", cost_b),
        Pairing(seconds=seconds, seed=seed),
        clock=machine.clock,
    )


@pytest.mark.parametrize("noise", [quiet, drifting, spiked])
@pytest.mark.parametrize(
    ("cost_b", "verdict"), [(0.002, "faster"), (0.004, "same"), (0.006, "slower")]
)
def test_the_verdict_is_right_under_noise(noise: Noise, cost_b: float, verdict: str) -> None:
    found = measure(noise, 0.004, cost_b)
    assert found.verdict == verdict
    assert found.low <= found.speedup <= found.high
    assert found.speedup == pytest.approx(0.004 / cost_b, rel=0.01)


def test_drift_does_not_enter_the_ratio() -> None:
    found = measure(drifting, 0.004, 0.004)
    assert found.a.p95 > 1.7 * 0.004
    assert abs(found.speedup - 1) < 0.005


def test_nothing_is_claimed_on_a_wild_machine() -> None:
    verdicts = [measure(wild, 0.004, 0.0038, seed=seed, seconds=3).verdict for seed in range(20)]
    assert verdicts.count("inconclusive") >= 18
    found = measure(wild, 0.004, 0.0038, seconds=3)
    assert found.noise > 0.03
    assert found.noise_sentence().startswith("noisy machine: paired with itself, A differs by")
    assert found.noise_sentence().endswith("; measure for longer, or on an idle machine")


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    def noisy(now: float, rng: random.Random) -> float:
        return max(0.1, 1.0 + 0.2 * rng.gauss(0, 1))

    found = [measure(noisy, 0.04, 0.02, seed=seed, seconds=8) for seed in range(60)]
    # 57 of 60 are expected of a 95 % interval; 51 or fewer have a probability of 0.3 %.
    assert sum(one.low <= 2.0 <= one.high for one in found) >= 52


def test_the_budget_is_kept_and_blocks_alternate() -> None:
    machine = Machine(quiet)
    seen: list[float] = []
    found = compare(
        machine.work("a", 0.004),
        machine.work("b", 0.001),
        Pairing(seconds=4.0),
        clock=machine.clock,
        progress=seen.append,
    )
    assert 3.6 <= machine.now - 100.0 <= 4.0
    assert seen == sorted(seen)
    assert 0.9 <= seen[-1] <= 1.0
    assert found.rounds == len(seen)
    turns = "".join(
        name for at, name in enumerate(machine.log) if at == 0 or name != machine.log[at - 1]
    )
    # In random order neighbouring rounds often share a turn: about three turns in two rounds.
    assert 1.2 * found.rounds < len(turns) < 1.9 * found.rounds
    # Equal durations, not equal numbers of calls.
    assert found.b.calls == pytest.approx(4 * found.a.calls, rel=0.1)


def test_calls_longer_than_a_block_still_make_every_round() -> None:
    found = measure(quiet, 5.0, 2.5, seconds=1.0)
    assert (found.rounds, found.a.calls, found.b.calls) == (6, 6, 6)
    assert found.verdict == "faster"


def test_equal_seeds_give_equal_results() -> None:
    assert measure(spiked, 0.004, 0.003) == measure(spiked, 0.004, 0.003)


def test_a_constant_clock_step_gives_an_exact_result() -> None:
    found = measure(lambda now, rng: 1.0, 2**-8, 2**-9)
    assert (found.speedup, found.low, found.high) == (2.0, 2.0, 2.0)
    assert found.noise == 0.0


def test_sentences_and_dict() -> None:
    latency = Latency(0.001, 0.002, 0.003, 0.001, 10)
    found = Comparison(1.5, 1.4, 1.6, 0.005, "faster", 40, 9.5, latency, latency, 0.95)
    assert found.sentence() == (
        "1.50x faster: speedup 1.500, 95% interval 1.400 to 1.600 over 40 rounds"
    )
    assert found.noise_sentence() == ("steady machine: paired with itself, A differs by up to 0.5%")
    slower = Comparison(0.5, 0.45, 0.55, 0.02, "slower", 40, 9.5, latency, latency, 0.95)
    assert slower.sentence().startswith("2.00x slower: speedup 0.500")
    copy = json.loads(json.dumps(found.to_dict()))
    assert copy["a"] == {"p50": 0.001, "p95": 0.002, "p99": 0.003, "mean": 0.001, "calls": 10}
    assert copy["verdict"] == "faster"


def test_a_build_of_the_same_model_that_differs_widens_the_interval() -> None:
    machine = Machine(quiet)
    luck = 1.05
    a, b = machine.work("a", 0.004 * luck), machine.work("b", 0.004)
    alone = compare(a, b, Pairing(seconds=5.0), clock=machine.clock)
    assert alone.verdict == "faster"
    again = machine.work("again", 0.004)
    found = compare(a, b, Pairing(seconds=5.0), again=again, clock=machine.clock)
    assert found.noise == pytest.approx(luck - 1, rel=0.1)
    assert found.verdict == "inconclusive"
    assert found.low < 1 < found.high
    assert found.high / found.low > luck**2
    assert machine.log.count("again") > 6
    assert f"a second build of A differs by {found.noise:.1%}; " in found.noise_sentence()


def test_equal_builds_do_not_hide_a_difference() -> None:
    machine = Machine(spiked)
    a, b, again = (machine.work(name, 2e-3 * cost) for name, cost in (("a", 2), ("b", 1), ("c", 2)))
    found = compare(a, b, Pairing(seconds=5.0), again=again, clock=machine.clock)
    assert found.verdict == "faster"
    assert found.low <= 2.0 <= found.high
    assert found.high / found.low < 1.02


def test_a_crowded_machine_is_named() -> None:
    found = measure(quiet, 0.004, 0.002, seconds=1)
    readings = [
        Readings(
            Described("Abacus 9000", 2, None, "Linux 6.1", "3.12.1"),
            Reading((), {}, load, ()),
            Reading((), {}, load, ()),
        )
        for load in (None, 2.0, 7.5)
    ]
    said = [replace(found, readings=one).noise_sentence() for one in readings]
    assert said[0] == said[1] == found.noise_sentence()
    assert "; other work shares the cores (load 7.5 on 2): short calls are" in said[2]


def test_a_machine_that_drifts_is_named() -> None:
    found = measure(drifting, 0.004, 0.004)
    assert 0.1 < found.drift < 1.0
    assert f"; it drifted: A became {found.drift:.0%} slower; " in found.noise_sentence()
    assert abs(measure(quiet, 0.004, 0.004).drift) < 0.01


def test_an_open_verdict_names_its_interval() -> None:
    found = measure(wild, 0.004, 0.0038, seconds=1)
    assert found.verdict == "inconclusive"
    assert found.noise_sentence().startswith("noisy machine: ")
    assert f"interval {found.low:.2f} to {found.high:.2f}" in found.noise_sentence()


def test_every_sample_is_kept() -> None:
    found = measure(quiet, 0.004, 0.002, seconds=1)
    assert {name: len(blocks) for name, blocks in found.samples.items()} == {
        "a": found.rounds,
        "b": found.rounds,
    }
    calls = [call for block in found.samples["b"] for call in block]
    assert Latency.of(calls) == found.b
    assert "samples" not in found.to_dict()


class CountingEngine(Engine):
    """An engine whose run only notes the inputs it got."""

    def __init__(self) -> None:
        self.inputs = (InputSpec("x", (1,), np.dtype("float32")),)
        self.outputs = ("y",)
        self.conditions = Conditions("counting", "1", "cpu", "fp32", 1)
        self.seen: list[Mapping[str, Array]] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.seen.append(feeds)
        return {"y": feeds["x"]}

    def close(self) -> None:
        """There is nothing to give back."""


def test_engines_get_the_same_inputs() -> None:
    a, b = CountingEngine(), CountingEngine()
    feeds = {"x": np.ones(1, dtype=np.float32)}
    again = CountingEngine()
    found = compare_engines(a, b, feeds, Pairing(seconds=0.05), again=again)
    assert found.rounds >= 6
    assert all(engine.seen for engine in (a, b, again))
    assert all(one is feeds for one in (*a.seen, *b.seen, *again.seen))
