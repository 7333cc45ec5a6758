"""Prune every model of one or more folders and write what came of it as one table.

Each model has a process of its own: a crash or a shortage of memory costs one row, and a model's
timings do not depend on the models before it.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.zoo.survey import MACS, Row

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
COLUMNS = (
    ("model", "model"),
    ("exporter", "exporter"),
    ("convs", "convs"),
    ("linears", "linears"),
    ("groups", "groups"),
    ("rows", "with rows"),
    ("approximate", "approximate"),
    ("frozen", "frozen axes"),
    ("analysis", "analysis s"),
    ("prune", "prune s"),
    ("proof", "proof s"),
    ("macs", "MACs"),
    ("error", "largest error"),
    ("verdict", "verdict"),
)
LEGEND = f"""\
Every model was pruned to {MACS:.0%} of its MACs (`macs={MACS}`, criterion `l2`, allocation
`uniform`, `round_to=1`) and proven against the masked original on two random inputs.

* **convs**, **linears**: layers whose sides may be narrowed, of all such layers. A side that the
  network's own inputs or outputs fix, or that has one channel, counts as narrowable; `linears`
  are matrix products with a parameter. Every other side has its reason in the last column of
  the CSV file.
* **groups**: of coupled channels; **with rows**: those of several rows (heads, grouped
  convolutions); **approximate**: those along which a norm takes its statistics.
* **frozen axes**: parameter axes that may not be narrowed.
* **analysis s**: processor seconds to load, lower and couple, median of three in a warm process;
  **prune s**: processor seconds from the file to the edited model; **proof s**: the clock's
  seconds of the replay and of running both models.
* **MACs**: after divided by before; **largest error**: of any output against the masked
  original, relative to the output's largest value.
"""


def measure(model: Path, limit: float) -> Row:
    """The row of one model, from a fresh process that may take `limit` seconds."""
    command = [sys.executable, "-m", "benchmarks.zoo.survey", str(model.resolve())]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return Row(model.stem, "", verdict=f"gave up after {limit:.0f} s")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Row(model.stem, "", verdict=f"crashed: {lines[-1]}")
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def cell(value: Any, key: str) -> str:
    """A value the way the table shows it."""
    if value is None:
        return "–"
    if key in ("convs", "linears"):
        return f"{value[0]}/{value[1]}"
    if key == "macs":
        return f"{value:.4f}"
    if key == "error":
        return f"{value:.1e}"
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "/")


def summary(rows: list[Row]) -> str:
    """The totals above the table."""
    cut = [row for row in rows if row.macs is not None]
    proven = [row for row in cut if row.verdict.startswith("proven")]
    whole = [row for row in cut if row.convs[0] == row.convs[1]]
    slow = [row for row in rows if row.analysis is not None and row.analysis >= 0.5]
    unexplained = sum(row.unexplained for row in rows)
    return (
        f"{len(rows)} models: {len(cut)} pruned, {len(proven)} of these proven, "
        f"{len(rows) - len(cut)} refused. All convolutions are narrowable on both sides in "
        f"{len(whole)} of the {len(cut)}. Analysis takes 0.5 s or more in {len(slow)}. "
        f"Sides without a reason: {unexplained}.\n"
    )


def write(rows: list[Row], folder: Path, machine: str) -> None:
    """Writes `zoo.md` and `zoo.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    head = [title for _, title in COLUMNS]
    body = [[cell(getattr(row, key), key) for key, _ in COLUMNS] for row in rows]
    with (folder / "zoo.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*head, "reasons of the rest"])
        for row, line in zip(rows, body, strict=True):
            table.writerow([*line, "; ".join(f"{n} × {why}" for why, n in row.stuck.items())])
    lines = [head, ["---"] * len(head), *body]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = f"Machine: {machine}.\n" if machine else ""
    page = f"# The zoo, pruned\n\n{summary(rows)}\n{LEGEND}\n{note}\n{text}\n"
    (folder / "zoo.md").write_text(page, encoding="utf-8")


def models(folders: Iterable[Path]) -> list[Path]:
    """The .onnx files of the folders, in the order of their names."""
    return [path for folder in folders for path in sorted(folder.glob("*.onnx"))]


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders with .onnx files")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds a model may take")
    parser.add_argument("--machine", default="", help="what it ran on, for the table's head")
    given = parser.parse_args()
    found = models(given.folders)
    rows = []
    for number, path in enumerate(found, 1):
        rows.append(measure(path, given.limit))
        print(f"[{number}/{len(found)}] {path.name}: {rows[-1].verdict}", flush=True)
    write(rows, given.out, given.machine)


if __name__ == "__main__":
    main()
