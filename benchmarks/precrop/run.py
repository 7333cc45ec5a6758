"""Train networks from scratch at given layer densities, widths or configurations.

    python -m benchmarks.precrop.run --data DIR

Every network that was trained is a line of results/runs.jsonl; what is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from rich.progress import Progress

from benchmarks.images import data
from benchmarks.images.record import Record, versions
from benchmarks.precrop import tables
from benchmarks.precrop.experiments import EXPERIMENTS, Bench, Job, jobs
from benchmarks.precrop.schedules import SCHEDULES

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data.add_option(parser)
    parser.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), choices=EXPERIMENTS)
    parser.add_argument("--networks", nargs="+", default=[], help="only these")
    parser.add_argument("--schedule", default="short", choices=SCHEDULES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--tables", action="store_true", help="only write the tables anew")
    given = parser.parse_args()
    record = Record(given.out / "runs.jsonl", Job._fields)
    if not given.tables:
        train(given, record)
    record.tidy()
    tables.write(record.lines, given.out)


def train(given: argparse.Namespace, record: Record) -> None:
    """Trains what is missing."""
    schedule, folder = SCHEDULES[given.schedule], data.folder_of(given.data)
    wanted = list(jobs(given.experiments, given.networks, given.seeds, schedule))
    todo = [job for job in wanted if job._asdict() not in record]
    benches = {job.network: Bench(job.network, folder, schedule, given.device) for job in todo}
    with Progress() as progress:
        bar = progress.add_task("networks", total=len(todo))
        for job in todo:
            text = f"{job.experiment}: {job.network} {job.method} {job.budget:g} ({job.seed})"
            progress.update(bar, description=text)
            begun = time.perf_counter()
            found = benches[job.network].measure(job)
            spent = {"seconds": round(time.perf_counter() - begun, 1), "versions": versions()}
            record.add({**job._asdict(), **found, **spent, "threads": torch.get_num_threads()})
            progress.console.print(f"{text}: {found['accuracy']:.2f} %")
            progress.advance(bar)


if __name__ == "__main__":
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(os.cpu_count() or 1)
    main()
