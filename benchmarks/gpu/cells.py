"""The cells of one network on one engine, measured in a process of their own.

A kernel that fails leaves the whole process unable to use the GPU, and compilers leave memory
behind: neither may reach other cells. The originals are built once for all roundings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.prepared import IMAGE, Prepared, shape
from graphprune.backends.base import Backend, Engine, Precision, get
from graphprune.data import Feeds, InputSpec, random_feeds
from graphprune.errors import GraphpruneError
from graphprune.measure import agreement
from graphprune.measure.models import Setting
from graphprune.measure.paired import Comparison, Pairing, compare_engines

Line = dict[str, Any]

KEYS = ("network", "rounding", "precision", "batch", "engine")
"""What tells cells apart."""

TORCH_MODES = ("eager", "inductor", "cuda-graph")
ENGINES = ("tensorrt", "onnxruntime", *(f"torch:{mode}" for mode in TORCH_MODES))

MARK = "cell: "
"""Begins the lines of the output that hold a cell; engines print, too."""


@dataclass(frozen=True)
class Task:
    """Cells that share their originals.

    Attributes:
        network: One of `NETWORKS`.
        engine: One of `ENGINES`.
        precision: "fp16" or "fp32".
        batch: Images a call.
        roundings: One cell each.
        work: Folder of what was prepared.
        device: "cuda" or "cpu".
        seconds: How long each pair is timed.
        threads: Threads within one operation, on CPUs.
        check: Compare outputs with those of an unoptimised float32 run first.
        python: The interpreter that holds TensorRT; see the backend.
        cache: A folder that keeps TensorRT's engines; none where empty.
    """

    network: str
    engine: str
    precision: Precision
    batch: int
    roundings: tuple[int, ...]
    work: str
    device: str
    seconds: float
    threads: int | None
    check: bool
    python: str | None
    cache: str

    def keys(self, rounding: int) -> Line:
        """What tells a cell apart."""
        return dict(
            zip(
                KEYS, (self.network, rounding, self.precision, self.batch, self.engine), strict=True
            )
        )

    def backend(self) -> Backend:
        """The engine's backend.

        Raises:
            BackendUnavailable: It cannot be used here.
        """
        name, _, mode = self.engine.partition(":")
        if name == "torch":
            last = self.device == "cuda"
            return get(name, mode=mode, device=self.device, channels_last=last)
        if name == "onnxruntime":
            return get(name, provider=self.device)
        return get(name, python=self.python, cache=self.cache)


class Bench:
    """Builds the engines of one task, and times them."""

    def __init__(self, task: Task) -> None:
        """Opens what was prepared.

        Args:
            task: What is measured.
        """
        self.task = task
        self.prepared = Prepared(Path(task.work) / task.network)
        spec = InputSpec(IMAGE, shape(task.batch), np.dtype("float32"))
        self.feeds: Feeds = random_feeds([spec])

    def lines(self) -> Iterator[Line]:
        """Measures cell after cell; one that fails says why."""
        with ExitStack() as stack:
            try:
                backend, kind = self.task.backend(), self.task.precision
                setting = Setting(backend, precision=kind, threads=self.task.threads)
                if self.task.engine.startswith("torch"):
                    _let_cudnn_try()
                model = self._original()
                built = [stack.enter_context(closing(setting.build(model, self.feeds)))]
                error = self._error(built[0], model)
                built.append(stack.enter_context(closing(setting.build(model, self.feeds))))
            except GraphpruneError as failure:
                reason = flat(failure)
                yield from (self._failed(one, reason) for one in self.task.roundings)
                return
            for rounding in self.task.roundings:
                yield self._cell(rounding, model, built, setting, error)

    def _cell(
        self, rounding: int, model: Any, built: list[Engine], setting: Setting, error: float | None
    ) -> Line:
        known = self.prepared.notes["roundings"][str(rounding)]
        if "failed" in known:
            return self._failed(rounding, known["failed"])
        try:
            small = self.prepared.narrowed(model, self.task.batch, rounding)
            with closing(setting.build(small, self.feeds)) as engine:
                worst = self._error(engine, small)
                options = Pairing(seconds=self.task.seconds)
                found = compare_engines(built[0], engine, self.feeds, options, again=built[1])
        except GraphpruneError as failure:
            return self._failed(rounding, flat(failure))
        errors = None if error is None or worst is None else max(error, worst)
        measured = figures(found, self.task.device)
        sizes = {name: known[name] for name in ("macs", "params")}
        return {**self.task.keys(rounding), **sizes, **measured, "error": errors, **self._how()}

    def _how(self) -> Line:
        cached = self.task.engine == "tensorrt" and bool(self.task.cache)
        return {"prepared": self.prepared.notes["versions"], "cached": cached}

    def _failed(self, rounding: int, reason: str) -> Line:
        return {**self.task.keys(rounding), "failed": reason}

    def _original(self) -> Any:
        of = self.prepared.program if self.task.engine.startswith("torch") else self.prepared.onnx
        return of(self.task.batch)

    def _error(self, engine: Engine, model: Any) -> float | None:
        """How far the engine's outputs are from the reference.

        Raises:
            BackendError: Too far.
        """
        if not self.task.check:
            return None
        if self.task.engine.startswith("torch"):
            shapes = {IMAGE: shape(self.task.batch)}
            with closing(get("torch").build(model, shapes=shapes)) as plain:
                expected = plain.run(self.feeds)
        else:
            expected = agreement.reference(model, self.feeds)
        return agreement.check(engine, self.feeds, expected).worst


def _let_cudnn_try() -> None:
    """Lets cuDNN try its kernels on every shape, as TensorRT does when it builds."""
    import torch

    torch.backends.cudnn.benchmark = True


def figures(found: Comparison, device: str) -> Line:
    """What is kept of a comparison."""
    assert found.readings is not None
    both = (found.readings.before, found.readings.after)
    line: Line = {
        "speedup": found.speedup,
        "low": found.low,
        "high": found.high,
        "noise": found.noise,
        "verdict": found.verdict,
        "rounds": found.rounds,
        "drift": found.drift,
        "before_ms": found.a.p50 * 1e3,
        "after_ms": found.b.p50 * 1e3,
        "conditions": str(found.conditions),
        "machine": str(found.readings.machine),
        "load": [one.load for one in both],
    }
    if device == "cuda" and all(one.gpus for one in both):
        # Where there are several, engines run on the first.
        shown = [one.gpus[0] for one in both]
        line |= {
            "gpu": shown[0].name,
            "driver": shown[0].driver,
            "clock_mhz": [one.clock for one in shown],
            "highest_clock_mhz": shown[0].highest_clock,
            "celsius": [one.temperature for one in shown],
            "watts": [one.power for one in shown],
            "throttled": [one.throttled for one in shown],
        }
    return line


def flat(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:1000]


def main() -> None:
    """Measures the task that the first argument describes, as `asdict` and JSON spell it."""
    given = json.loads(sys.argv[1])
    task = Task(**{**given, "roundings": tuple(given["roundings"])})
    for line in Bench(task).lines():
        print(MARK + json.dumps(line), flush=True)


def described(task: Task) -> str:
    """The argument of `main`."""
    return json.dumps(asdict(task))


if __name__ == "__main__":
    main()
