"""How much faster networks of half the MACs are on a GPU, engine by engine."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from benchmarks.gpu import page
from benchmarks.gpu.cells import ENGINES, KEYS, MARK, TORCH_MODES, Line, Task, described
from benchmarks.gpu.prepared import BATCHES, NETWORKS, ROUNDINGS, Prepared, prepare
from benchmarks.images.record import Record
from graphprune.measure import machine

RESULTS = Path(__file__).parent / "results"


def tasks(given: argparse.Namespace) -> Iterator[Task]:
    """Everything that was asked for, engine after engine."""
    engines = [one for name in given.engines for one in _meant(name)]
    for engine, precision, batch, network in product(
        engines, given.precisions, given.batch, given.networks
    ):
        yield Task(
            network, engine, precision, batch, tuple(given.roundings), str(given.work),
            given.device, given.seconds, given.threads, given.check, given.python, given.cache,
        )  # fmt: skip


def _meant(name: str) -> tuple[str, ...]:
    """An engine, or all modes of PyTorch."""
    return tuple(f"torch:{mode}" for mode in TORCH_MODES) if name == "torch" else (name,)


def missing(task: Task, record: Record, retry: bool) -> Task | None:
    """The task without the cells that were measured before; None where nothing is left.

    Args:
        task: What was asked for.
        record: What was measured.
        retry: Measure those again that failed.
    """
    failed = {tuple(line[key] for key in KEYS) for line in record.lines if "failed" in line}
    left = tuple(
        one
        for one in task.roundings
        if task.keys(one) not in record or (retry and tuple(task.keys(one).values()) in failed)
    )
    return Task(**{**vars(task), "roundings": left}) if left else None


def measured(task: Task, limit: float) -> Iterator[Line]:
    """Measures the cells of a task in a process of its own; those it does not reach failed.

    Args:
        task: What is measured.
        limit: Seconds it may take; then the process is ended.
    """
    left = dict.fromkeys(task.roundings)
    command = [sys.executable, "-m", "benchmarks.gpu.cells", described(task)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        late = threading.Event()
        watch = threading.Timer(limit, _end, (process, late))
        watch.start()
        try:
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith(MARK):
                    line = json.loads(text.removeprefix(MARK))
                    left.pop(line["rounding"])
                    yield line
            status = process.wait()
        finally:
            watch.cancel()
            _end(process)
        log.seek(0)
        last = " ".join(log.read().split())[-600:]
    why = f"more than {limit:g} s" if late.is_set() else f"its process ended with status {status}"
    reason = f"{why}: {last}" if last else why
    yield from ({**task.keys(one), "failed": reason} for one in left)


def _end(process: subprocess.Popen[str], late: threading.Event | None = None) -> None:
    """Kills a process and what it started, unless it has ended."""
    if process.poll() is None:
        if late is not None:
            late.set()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(given: argparse.Namespace, record: Record) -> None:
    """Measures what is not in the record yet, until the time is up."""
    end = time.monotonic() + 60 * given.minutes
    for task in tasks(given):
        todo = missing(task, record, given.retry)
        if todo is None:
            continue
        if time.monotonic() > end:
            print("the time is up; the same command goes on from here", flush=True)
            return
        for line in measured(todo, given.limit):
            record.add(line)
            print(sentence(line), flush=True)
    if record.lines:
        record.tidy()


def sentence(line: Line) -> str:
    """A cell in one line."""
    name = " ".join(f"{key} {line[key]}" for key in KEYS)
    if "failed" in line:
        return f"{name}: failed, {line['failed'][:160]}"
    return f"{name}: {line['speedup']:.3f} ({line['low']:.3f} to {line['high']:.3f})"


def check_place(given: argparse.Namespace, record: Record) -> str | None:
    """Why the results of this machine cannot go into this folder; None where they can."""
    if given.device == "cpu":
        return (
            "results/ is for GPUs: give another --out" if given.out.resolve() == RESULTS else None
        )
    here = set(machine.describe().gpus)
    others = {line["gpu"] for line in record.lines if "gpu" in line} - here
    return f"{given.out} has cells of {', '.join(others)}: give another --out" if others else None


def ready(given: argparse.Namespace) -> None:
    """Prepares networks that are not, or not for every batch size and rounding."""
    for name in given.networks:
        if Prepared(given.work / name).lacks(given.batch, given.roundings):
            print(f"{name}: building, pruning, exporting", flush=True)
            try:
                prepare(name, given.work / name, given.batch, given.roundings)
            except ImportError as error:
                raise SystemExit(
                    f"{name} cannot be prepared here: {error}; prepare it elsewhere with "
                    f"--prepare, and carry {given.work} here"
                ) from error


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.run", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--work", type=Path, default=Path("gpu-networks"), help="folder of prepared networks")
    add("--out", type=Path, help="folder of the results: results, or gpu-smoke where on a CPU")
    add("--prepare", action="store_true", help="prepare the networks and stop; needs no GPU")
    add("--page", action="store_true", help="only write the table and plots anew")
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    add("--engines", nargs="+", choices=(*ENGINES, "torch"), default=("tensorrt", "torch"))
    add("--precisions", nargs="+", choices=("fp16", "fp32"))
    add("--batch", nargs="+", type=int, default=BATCHES)
    add("--roundings", nargs="+", type=int, default=ROUNDINGS, help="1: unrounded")
    add("--seconds", type=float, default=10.0, help="how long each pair is timed")
    add("--minutes", type=float, default=1e6, help="begin no further cells after so long")
    add("--limit", type=float, default=3600.0, help="seconds the cells of one original may take")
    add("--retry", action="store_true", help="measure cells again that failed")
    add("--threads", type=int, help="on CPUs, within one operation")
    add("--python", help="the interpreter that holds TensorRT, if not this one")
    add("--cache", default="", help="folder that keeps TensorRT's engines")
    add("--no-check", dest="check", action="store_false", help="compare no outputs")
    given = parser.parse_args(words)
    given.precisions = given.precisions or (["fp32"] if given.device == "cpu" else ["fp16", "fp32"])
    given.out = given.out or (Path("gpu-smoke") if given.device == "cpu" else RESULTS)
    return given


def main() -> None:
    """Prepares, measures, and writes the page."""
    given = arguments()
    if given.prepare:
        ready(given)
        return
    record = Record(given.out / "cells.jsonl", KEYS)
    if not given.page:
        refused = check_place(given, record)
        if refused:
            raise SystemExit(refused)
        ready(given)
        measure(given, record)
    page.write(record.lines, given.out)


if __name__ == "__main__":
    main()
