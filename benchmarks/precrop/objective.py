"""Whether the sum of the logarithms of the layer densities says which widths are learnt better.

    python -m benchmarks.precrop.objective

Reads results/runs.jsonl, trains nothing, and writes results/objective.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import mean

import torch
from scipy.stats import spearmanr

import graphprune
from benchmarks.images import networks
from benchmarks.images.record import Line, Record, spread, table
from benchmarks.precrop.experiments import Job
from graphprune.budget import Budget
from graphprune.passes.allocate import Problem
from tests.passes.allocate.problems import log_densities, stated

RESULTS = Path(__file__).parent / "results"
HEAD = """\
# The objective and what was learnt

Sums of the logarithms of the densities of the dense layers, which PreCrop's widths make largest,
beside mean accuracies and operations. ρ: Spearman's rank correlation over the methods of one
network, budget and schedule, with the probability of one as strong by chance. Methods with one seed
are left out.
"""


@lru_cache
def problem_of(network: str) -> Problem:
    """A network's groups, in the order in which runs hold their widths, and its layers' sizes."""
    example = torch.zeros(1, *networks.NETWORKS[network].shape)
    coupling = graphprune.inspect(networks.build(network, 0), example).coupling
    return stated(coupling, Budget(params=1.0))


def objective(line: Line) -> float:
    """Of the widths of one run."""
    problem = problem_of(line["network"])
    kept = [int(pair.partition("/")[0]) for pair in line["widths"].split()]
    widths = dict(zip((group.name for group in problem.coupling), kept, strict=True))
    return float(log_densities(problem, widths).sum())


def compared(lines: Sequence[Line]) -> Iterator[str]:
    """A table for every network, schedule and budget."""
    found: dict[tuple[str, str, float], dict[str, list[Line]]] = {}
    for line in lines:
        if line["experiment"] == "densities" and "widths" in line:
            key = line["network"], line["schedule"], line["budget"]
            found.setdefault(key, {}).setdefault(line["method"], []).append(line)
    for network, schedule, budget in sorted(found, key=lambda key: (*key[:2], -key[2])):
        every = found[network, schedule, budget]
        methods = {name: runs for name, runs in every.items() if len(runs) > 1}
        if len(methods) > 2:
            yield f"## {network}, schedule `{schedule}`, {budget:g} of the parameters\n"
            yield from _ranked(methods)


def _ranked(methods: dict[str, list[Line]]) -> Iterator[str]:
    sums = {name: mean(map(objective, runs)) for name, runs in methods.items()}
    learnt = {name: mean(run["accuracy"] for run in runs) for name, runs in methods.items()}
    macs = {name: mean(run["macs"] for run in runs) for name, runs in methods.items()}
    rows = [
        [
            name,
            f"{sums[name]:.2f}",
            f"{macs[name]:.2f}",
            spread([run["accuracy"] for run in methods[name]]),
            str(len(methods[name])),
        ]
        for name in sorted(sums, key=lambda name: -sums[name])
    ]
    yield table(["method", "objective", "macs", "accuracy, %", "seeds"], rows)
    for what, values in (("objective", sums), ("macs", macs)):
        ranked = spearmanr([values[name] for name in methods], [learnt[name] for name in methods])
        yield f"* accuracy by {what}: ρ = {ranked.statistic:+.2f} (p = {ranked.pvalue:.3f})"
    yield ""


def main() -> None:
    """Writes the tables."""
    lines = Record(RESULTS / "runs.jsonl", Job._fields).lines
    text = "\n".join([HEAD, *compared(lines)])
    (RESULTS / "objective.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
