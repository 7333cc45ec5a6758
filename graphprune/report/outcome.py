"""A narrowed model as ``prune`` and ``demo`` report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from graphprune.measure.paired import Comparison
from graphprune.passes.verify import Proof
from graphprune.report import guarantees, latency, proofs, tables
from graphprune.result import Result, plan_path


@dataclass(frozen=True)
class Outcome:
    """What there is to report.

    Attributes:
        result: The narrowed model and its proof.
        output: Where it was written; None where it was not.
        sizes: Bytes of the files before and after, where both are there.
        timing: The measurement, where one was made.
        untimed: Why none was made though one was wanted.
    """

    result: Result
    output: Path | None
    sizes: tuple[int, int] | None = None
    timing: Comparison | None = None
    untimed: str = ""


def show(
    console: Console,
    outcome: Outcome,
    *,
    verbose: bool = False,
    more: Sequence[tuple[str, str, str, str]] = (),
) -> None:
    """Prints costs before and after, the measurement, the proof, and what was written.

    Args:
        console: Where to.
        outcome: What to report.
        verbose: List the widths of all groups, and what they promise where that is known.
        more: Further lines of the table: name, before, after, change.
    """
    result, timing = outcome.result, outcome.timing
    if verbose:
        console.print(tables.widths_table(result.plan.groups))
        console.print()
        if result.guarantees:
            _show_guarantees(console, result)
    cells = latency.cells(timing) if timing else None
    table = tables.cost_table(*result.cost, outcome.sizes, cells)
    for row in more:
        table.add_row(*row)
    console.print(table)
    console.print()
    for line in latency.lines(timing) if timing else ():
        console.print(line, soft_wrap=True)
    if outcome.untimed:
        console.print(f"not timed: {outcome.untimed}", soft_wrap=True)
    show_proof(console, result.proof)
    for note in result.notes:
        console.print(f"note: {note}", soft_wrap=True)
    if outcome.output:
        console.print(f"wrote {outcome.output} and {plan_path(outcome.output)}", soft_wrap=True)


def _show_guarantees(console: Console, result: Result) -> None:
    console.print(guarantees.guarantees_table(result.guarantees, result.plan.groups))
    for line in guarantees.guarantee_lines(result.guarantees):
        console.print(line, soft_wrap=True)
    console.print()


def show_proof(console: Console, proof: Proof) -> None:
    """Prints the verdict and its parts."""
    word, style = proofs.verdict(proof)
    console.print(word, style=style)
    for line in proofs.proof_lines(proof):
        console.print(f"  {line}", soft_wrap=True)
