"""Prune the whole zoo of modules, with graphprune and with torch-pruning, into one table.

Every network and tool has a process of its own. Results are kept line by line, so that a run that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.zoo.modules import table
from benchmarks.zoo.modules.architectures import architectures

ROOT = Path(__file__).resolve().parents[3]
RESULTS = Path(__file__).parent / "results"
TOOLS = ("ours", "rival")
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
Figures = dict[str, Any]


def measure(tool: str, key: str, limit: float) -> Figures:
    """One tool on one network, in a fresh process that may take `limit` seconds."""
    command = [sys.executable, "-m", f"benchmarks.zoo.modules.{tool}", key]
    figures: Figures = {"tool": tool, "key": key}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | THREADS,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        output = done.stdout
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            figures["refused"] = _anywhere(f"crashed: {lines[-1]}")[:200]
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode()
        figures["refused"] = f"gave up after {limit:.0f} s"
    for line in output.splitlines():
        if line.startswith("{"):
            figures.update(json.loads(_anywhere(line)))
    return figures


def _anywhere(text: str) -> str:
    """A message without the place where libraries happen to be installed."""
    return re.sub(r"[^\s\"(]*/site-packages/", "", text)


def known(record: Path) -> dict[tuple[str, str], Figures]:
    """What was measured before."""
    if not record.exists():
        return {}
    lines = (json.loads(line) for line in record.read_text(encoding="utf-8").splitlines())
    return {(found["tool"], found["key"]): found for found in lines}


def missing(
    done: dict[tuple[str, str], Figures], keys: list[str], tools: list[str], again: bool
) -> Iterator[tuple[str, str]]:
    """What is to be measured."""
    for key in keys:
        for tool in tools:
            found = done.get((tool, key))
            if found is None or (again and not table.green(found)):
                yield tool, key


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="KEY", help="library/name")
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a run may take")
    parser.add_argument("--again", action="store_true", help="repeat what was not green")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--machine", default="", help="what it ran on, for the table's head")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    record = given.out / "runs.jsonl"
    done = known(record)
    keys = [a.key for a in architectures() if not given.only or a.key in given.only]
    todo = list(missing(done, keys, given.tools, given.again))
    with Progress() as progress, ThreadPoolExecutor(given.jobs) as pool:
        bar = progress.add_task("modules", total=len(todo))
        for found in pool.map(lambda job: measure(job[0], job[1], given.limit), todo):
            done[found["tool"], found["key"]] = found
            lines = [json.dumps(line) for line in done.values()]
            record.write_text("\n".join(lines) + "\n", encoding="utf-8")
            progress.console.print(table.sentence(found), soft_wrap=True)
            progress.advance(bar)
    everything = [a.key for a in architectures()]
    (given.out / "modules.md").write_text(
        table.page(done, everything, given.machine), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
