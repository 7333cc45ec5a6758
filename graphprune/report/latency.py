"""What a measurement says: cells of a table, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from graphprune.measure.latency_table import LatencyTable
from graphprune.measure.layers import LayerTime
from graphprune.measure.models import Timing
from graphprune.measure.paired import Comparison
from graphprune.measure.timing import Latency
from graphprune.report.numbers import duration, human, shortened
from graphprune.report.tables import plain_table

_LONGEST_NAME = 60


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


@dataclass(frozen=True)
class Measured:
    """One model, or a pair, measured at one size of its inputs.

    Attributes:
        found: The measurement.
        inputs: Shapes of the inputs, by name.
        models: Names of the models: their files, without folders.
        macs: Multiply-accumulates of a call of each of them.
        layers: What single layers take, where that was asked for.
    """

    found: Comparison | Timing
    inputs: Mapping[str, Sequence[int]]
    models: tuple[str, ...]
    macs: tuple[int, ...]
    layers: tuple[LayerTime, ...] = ()

    @property
    def batch(self) -> int:
        """Samples a call: the first size of the first input that has one."""
        return next((shape[0] for shape in self.inputs.values() if shape), 1)


def document(one: Measured, *, samples: bool = False) -> dict[str, Any]:
    """A measurement, ready for JSON.

    Args:
        one: The measurement.
        samples: With the duration of every call.
    """
    found, batch = one.found, one.batch
    common = {"inputs": one.inputs, "models": list(one.models), "macs": list(one.macs)}
    if one.layers:
        common["layers"] = [layer.to_dict() for layer in one.layers]
    if samples:
        common["samples"] = found.samples
    if isinstance(found, Comparison):
        rates = {"a": found.a.throughput(batch), "b": found.b.throughput(batch)}
        return {**found.to_dict(), "throughput": rates, **common}
    return {
        "latency": found.latency.to_dict(),
        "throughput": found.latency.throughput(batch),
        "conditions": found.conditions.to_dict(),
        "error": found.error,
        "transfers": found.transfers,
        "readings": found.readings.to_dict() if found.readings else None,
        **common,
    }


def show(console: Console, found: Sequence[Measured]) -> None:
    """Prints measurements, one after the other.

    Args:
        console: Where to.
        found: The measurements, of models or pairs at several batch sizes.
    """
    readings = found[0].found.readings if found else None
    if readings:
        console.print(f"{readings.machine}; {readings.before}", soft_wrap=True)
    for one in found:
        for line in _lines(one):
            console.print(line, soft_wrap=True)
        if one.layers:
            console.print(_layers(one.layers))


def show_widths(console: Console, found: LatencyTable) -> None:
    """Prints a latency table.

    Args:
        console: Where to.
        found: What was measured.
    """
    subject = found.subject
    part = "the whole model" if subject.whole else "the operations on its channels"
    console.print(f"{found.machine}; on {subject.conditions}", soft_wrap=True)
    console.print(f"{subject.group}, {part}: {', '.join(subject.members)}", soft_wrap=True)
    table = plain_table()
    for name in ("width", "time", "95% interval", "of full width", "95% interval", "rounds"):
        table.add_column(name, justify="right")
    for point in found.points:
        span = f"{duration(point.low)} to {duration(point.high)}"
        share = f"{point.ratio_low:.3f} to {point.ratio_high:.3f}"
        times = (duration(point.seconds), span, f"{point.ratio:.3f}", share)
        table.add_row(str(point.width), *times, str(point.rounds))
    console.print(table)
    for readings in found.readings:
        console.print(str(readings), soft_wrap=True)


def _lines(one: Measured) -> Iterator[str]:
    found = one.found
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in one.inputs.items())
    moved = "with transfers, " if found.transfers else ""
    conditions = f"on {found.conditions}, " if found.conditions else ""
    yield f"{conditions}{moved}random inputs: {listed}"
    sides = (found.a, found.b) if isinstance(found, Comparison) else (found.latency,)
    for letter, name, macs, side in zip("AB", one.models, one.macs, sides, strict=False):
        yield f"{letter}  {name}, {human(macs)} MACs"
        yield f"   {_line(side, one.batch)}"
    if isinstance(found, Comparison):
        ratio = f", {one.macs[0] / one.macs[1]:.2f} times fewer MACs" if all(one.macs) else ""
        yield f"B is {found.sentence()}{ratio}"
        yield found.noise_sentence()
    yield _checked(found.error)
    if found.readings:
        yield f"when all was timed: {found.readings.after}"


def _layers(layers: Sequence[LayerTime]) -> Table:
    """One line a layer."""
    table = plain_table()
    table.add_column("layer")
    compared = any(layer.after is not None for layer in layers)
    for name in ("before", "after", "ratio") if compared else ("time",):
        table.add_column(name, justify="right")
    for layer in layers:
        times = [layer.before, layer.after] if compared else [layer.before]
        cells = ["" if time is None else duration(time) for time in times]
        if compared:
            cells.append(
                f"{layer.before / layer.after:.2f}" if layer.before and layer.after else ""
            )
        table.add_row(shortened(layer.name, _LONGEST_NAME), *cells)
    return table


def _line(side: Latency, batch: int) -> str:
    """Latency and throughput of one model."""
    parts = [f"{name} {duration(getattr(side, name))}" for name in ("p50", "p95", "p99")]
    rate = f"{human(side.throughput(batch))} samples/s"
    return "   ".join((*parts, rate, f"({side.calls:,} calls)"))


def _checked(error: float | None) -> str:
    if error is None:
        return "outputs were not compared"
    return f"outputs agree with onnxruntime without optimisation: relative error {error:.1e}"
