"""How long `graphprune inspect` takes from the shell, next to merely loading the file with onnx.

Required: at most 1.5 times as long, and half a second. The commands take turns, so that all see
the same noise of the machine; processor seconds stand beside the clock's, because a machine that
does other work stretches the one and not the other.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
FACTOR, CONSTANT = 1.5, 0.5
Times = tuple[float, float]
LOAD = "import sys, onnx; onnx.load(sys.argv[1])"
INSPECT = "import sys, graphprune; graphprune.inspect(sys.argv[1])"


def commands(model: Path) -> dict[str, list[str]]:
    """What is timed, by what it is called in the table."""
    python, file = sys.executable, str(model.resolve())
    return {
        "python -c pass": [python, "-c", "pass"],
        "onnx.load": [python, "-c", LOAD, file],
        "graphprune.inspect": [python, "-c", INSPECT, file],
        "graphprune inspect": [python, "-m", "graphprune", "inspect", file],
        "graphprune --help": [python, "-m", "graphprune", "--help"],
    }


def seconds(command: list[str]) -> Times:
    """The clock's and the processor's seconds of one command.

    Raises:
        CalledProcessError: It fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return clock, busy


def verdict(times: dict[str, list[Times]], kind: int) -> str:
    """Whether the requirement holds for the clock's (0) or the processor's (1) medians."""
    load, ours = (
        median(run[kind] for run in times[name]) for name in ("onnx.load", "graphprune inspect")
    )
    limit = FACTOR * load + CONSTANT
    met = "met" if ours <= limit else "missed"
    return f"{FACTOR} × {load:.3f} + {CONSTANT} s = {limit:.3f} s; measured {ours:.3f} s: {met}"


def page(model: Path, times: dict[str, list[Times]], machine: str) -> str:
    """The result as Markdown."""
    rows = []
    for name, runs in times.items():
        clock, busy = zip(*runs, strict=True)
        cells = (median(clock), min(clock), max(clock), median(busy))
        rows.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    count = len(next(iter(times.values())))
    return "\n".join(
        [
            "# Start-up\n",
            f"`{model.name}`, {model.stat().st_size / 1e6:.1f} MB, {count} runs of each in turns.",
            *([f"Machine: {machine}."] if machine else []),
            f"\nRequired of `graphprune inspect`: at most {FACTOR} × onnx.load + {CONSTANT} s.",
            f"\n* by the clock: {verdict(times, 0)}",
            f"* by the processor: {verdict(times, 1)}\n",
            "| command | median s | least s | most s | median processor s |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="an .onnx file, say of 5 MB")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--machine", default="", help="what it ran on, for the table's head")
    given = parser.parse_args()
    todo = commands(given.model)
    for command in todo.values():
        seconds(command)  # fills the file cache and the byte code
    times: dict[str, list[Times]] = {name: [] for name in todo}
    for _ in range(given.repeats):
        for name, command in todo.items():
            times[name].append(seconds(command))
    given.out.mkdir(parents=True, exist_ok=True)
    text = page(given.model, times, given.machine)
    (given.out / "startup.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
