"""graphprune against torch-pruning on the same architectures: seconds to analyse and to prune.

Every measurement has a process of its own, and the two tools take turns, so that both see the
same noise of the machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.compile_time import table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
NAMES = "resnet50 densenet201 efficientnet_b7 convnext_large maxvit_t swin_v2_t vit_l_16"
MEMORY_RUNS = 3
# One thread each: on a machine that does other work, threads that wait for each other made the
# other tool's times vary ten-fold.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
Figures = dict[str, Any]


def call(module: str, arguments: list[str], limit: float) -> Figures:
    """Runs a worker in a fresh process and gathers the lines of JSON it printed.

    Returns:
        What it printed, and `failure`, where it did not end well within `limit` seconds.
    """
    command = [sys.executable, "-m", f"benchmarks.compile_time.{module}", *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | THREADS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    failure = ""
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        failure = f"stopped after {limit:.0f} s"
    if not failure and process.returncode != 0:
        lines = errors.strip().splitlines()
        failure = lines[-1] if lines else f"exit status {process.returncode}"
    figures: Figures = {}
    for line in output.splitlines():
        figures.update(json.loads(line))
    return {**figures, "failure": failure} if failure else figures


def measure(name: str, file: Path, repeats: int, limit: float) -> list[Figures]:
    """All runs of both tools on one architecture, in turns; a stopped tool is not run again."""
    runs: list[Figures] = []
    hangs = False
    for repeat in range(repeats):
        ours = call("ours", [str(file)], limit)
        runs.append({"model": name, "tool": "graphprune", "repeat": repeat, **ours})
        if hangs:
            continue
        theirs = call("rival", [name], limit)
        hangs = theirs.get("failure", "").startswith("stopped")
        runs.append({"model": name, "tool": "torch-pruning", "repeat": repeat, **theirs})
    return runs


def peak(file: Path, limit: float) -> tuple[float, float]:
    """Median growth of the peak memory by an analysis, and what the process had before: bytes."""
    runs = [call("ours", [str(file), "--memory"], limit) for _ in range(MEMORY_RUNS)]
    for run in runs:
        if "failure" in run:
            raise SystemExit(f"{file.name}: {run['failure']}")
    return median(run["peak"] for run in runs), median(run["baseline"] for run in runs)


def write_raw(runs: list[Figures], path: Path) -> None:
    """Every run as it was measured."""
    head = list(dict.fromkeys(key for run in runs for key in run))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, head, lineterminator="\n")
        writer.writeheader()
        writer.writerows(runs)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="folder of <name>.dynamo.onnx")
    parser.add_argument("--only", nargs="+", default=NAMES.split(), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds a run may take")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--machine", default="", help="what it ran on, for the table's head")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    runs: list[Figures] = []
    lines: list[table.Line] = []
    for name in given.only:
        file = (given.models / f"{name}.dynamo.onnx").resolve()
        if not file.exists():
            raise SystemExit(f"no {file.name}: write it with benchmarks/zoo/export.py")
        mine = measure(name, file, given.repeats, given.limit)
        runs += mine
        grown, baseline = peak(file, given.limit)
        lines.append(table.line(name, mine, grown, baseline, file.stat().st_size, given.limit))
        print(table.show(lines[-1]), flush=True)
    write_raw(runs, given.out / "runs.csv")
    (given.out / "compile_time.md").write_text(
        table.page(lines, given.repeats, given.limit, given.machine), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
