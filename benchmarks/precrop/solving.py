"""How good the widths of precrop are, and how long they take to find.

Required: the optimum of an independent solver to four decimals, in less than 0.2 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from graphprune.budget import Budget
from graphprune.passes.allocate import allocate
from graphprune.passes.allocate.densities import Limits
from graphprune.passes.allocate.precrop_programme import solve
from graphprune.passes.allocate.water_filling import precrop
from tests.passes.allocate.problems import NETWORKS, layers_of, log_densities, model_of, problem

RESULTS = Path(__file__).parent / "results"
REPEATS = 5
BASELINES = ("precrop:level=layer", "sqrt", "erk", "uniform")
BUDGETS = {"params 0.5": Budget(params=0.5), "params 0.5, macs 0.5": Budget(params=0.5, macs=0.5)}
GROWN = {"params 0.8, macs 1": Budget(params=0.8, macs=1.0)}


def optimum(name: str, budget: Budget, cap: float) -> str:
    """The independent solver's, or a dash where it is not installed."""
    if not find_spec("cvxpy"):
        return "-"
    from tests.passes.allocate.test_precrop_programme import independent

    model = model_of(name)
    return f"{independent(model, budget.resolve(model.full), cap):.4f}"


def solved() -> Iterator[str]:
    """A row a network and budget."""
    yield "| network | budget | cap | step | optimum | cvxpy | whole widths | params | macs | s |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name in NETWORKS:
        model = model_of(name)
        cases = [(1.0, label, budget) for label, budget in BUDGETS.items()]
        for cap, label, budget in [*cases, *((2.0, *item) for item in GROWN.items())]:
            bounds = budget.resolve(model.full)
            other = optimum(name, budget, cap)
            for step in (1, 8):
                runs = [
                    solve(model.coupling, model, bounds, cap=cap, round_to=step)
                    for _ in range(REPEATS)
                ]
                found, seconds = runs[0], median(run.seconds for run in runs)
                yield (
                    f"| {name} | {label} | {cap:g} | {step} | {found.optimum:.4f} | "
                    f"{other if step == 1 else ''} | {found.objective:.4f} | "
                    f"{found.cost.params / model.full.params:.3f} | "
                    f"{found.cost.macs / model.full.macs:.3f} | {seconds:.3f} |"
                )


def compared() -> Iterator[str]:
    """The sum of the logarithms of the densities by every rule, and by single layers."""
    yield f"| network | budget | layers alone | precrop | {' | '.join(BASELINES)} |"
    yield "|---" * (4 + len(BASELINES)) + "|"
    for name in NETWORKS:
        for label, budget in BUDGETS.items():
            asked, layers = problem(name, budget), layers_of(name)
            began = time.perf_counter()
            alone = precrop(layers, Limits.within(asked, layers))
            spent = time.perf_counter() - began
            dense = sum(np.log(alone.values[x.name]) for x in layers if x.dense)
            sums = [
                log_densities(asked, dict(allocate(policy, asked).kept)).sum()
                for policy in ("precrop", *BASELINES)
            ]
            cells = " | ".join(f"{value:.3f}" for value in sums)
            yield f"| {name} | {label} | {dense:.3f} ({1000 * spent:.1f} ms) | {cells} |"


def main() -> None:
    """Writes the tables."""
    text = "\n".join(
        [
            "# PreCrop and PreConfig: sums of the logarithms of layer densities",
            "",
            "Widths in steps of 1 and 8; seconds are the median of "
            f"{REPEATS} runs, rounding included.",
            "",
            *solved(),
            "",
            "## Other rules at the same budget, steps of 1",
            "",
            "Summed over the dense layers. Layers alone are not coupled, so no widths have their",
            "densities; their optimum counts depthwise layers and gates too.",
            "",
            *compared(),
            "",
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "solving.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
