"""What a measurement says: cells of a table, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from graphprune.measure.models import Timing
from graphprune.measure.paired import Comparison
from graphprune.measure.timing import Latency
from graphprune.report.numbers import duration, human


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
    engine = found.conditions.backend if found.conditions else "onnxruntime"
    return (
        f"timed in {found.rounds} rounds by turns on {engine}: speed-up {found.speedup:.2f}, "
        f"{found.confidence:.0%} interval {found.low:.2f} to {found.high:.2f}",
        f"  timed against itself the original differs by up to {found.noise:.1%}",
    )


def document(found: Comparison | Timing, inputs: dict[str, list[int]]) -> dict[str, Any]:
    """A measurement, ready for JSON.

    Args:
        found: The measurement.
        inputs: Shapes of the inputs, by name.
    """
    batch = _batch(inputs)
    if isinstance(found, Comparison):
        rates = {"a": found.a.throughput(batch), "b": found.b.throughput(batch)}
        return {**found.to_dict(), "throughput": rates, "inputs": inputs}
    return {
        "latency": found.latency.to_dict(),
        "throughput": found.latency.throughput(batch),
        "conditions": found.conditions.to_dict(),
        "error": found.error,
        "inputs": inputs,
    }


def show(
    console: Console,
    found: Sequence[Comparison | Timing],
    inputs: Sequence[dict[str, list[int]]],
) -> None:
    """Prints measurements, one after the other.

    Args:
        console: Where to.
        found: The measurements, of one model or pair at several batch sizes.
        inputs: Shapes of the inputs of each.
    """
    for one, shapes in zip(found, inputs, strict=True):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        conditions = f"on {one.conditions}, " if one.conditions else ""
        console.print(f"{conditions}random inputs: {listed}", soft_wrap=True)
        if isinstance(one, Comparison):
            for name, side in (("A", one.a), ("B", one.b)):
                console.print(f"{name}  {_line(side, _batch(shapes))}", soft_wrap=True)
            console.print(f"B is {one.sentence()}", soft_wrap=True)
            console.print(one.noise_sentence(), soft_wrap=True)
        else:
            console.print(_line(one.latency, _batch(shapes)), soft_wrap=True)
        console.print(_checked(one.error))


def _line(side: Latency, batch: int) -> str:
    """Latency and throughput of one model."""
    parts = [f"{name} {duration(getattr(side, name))}" for name in ("p50", "p95", "p99")]
    rate = f"{human(side.throughput(batch))} samples/s"
    return "   ".join((*parts, rate, f"({side.calls:,} calls)"))


def _checked(error: float | None) -> str:
    if error is None:
        return "outputs were not compared"
    return f"outputs agree with onnxruntime without optimisation: relative error {error:.1e}"


def _batch(inputs: dict[str, list[int]]) -> int:
    """Samples a call: the first size of the first input that has one."""
    return next((shape[0] for shape in inputs.values() if shape), 1)
