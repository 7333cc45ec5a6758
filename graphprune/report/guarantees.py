"""What an allocation promises, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from graphprune.plan import PlannedGroup
from graphprune.scores import Guarantee


def guarantees_table(guarantees: Sequence[Guarantee], groups: Sequence[PlannedGroup]) -> Table:
    """One line a group: its sum of sensitivities, the draws, what is kept, the error.

    Args:
        guarantees: What the allocation gave.
        groups: What the plan keeps.
    """
    planned = {group.name: group for group in groups}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("group")
    for heading in ("sensitivity", "draws", "kept", "epsilon"):
        table.add_column(heading, justify="right")
    for found in guarantees:
        group = planned[found.group]
        kept = f"{group.kept} of {group.width}"
        cells = (f"{found.sensitivity:.3f}", f"{found.draws:.4g}", kept, f"{found.epsilon:.3g}")
        table.add_row(found.group, *cells)
    return table


def guarantee_lines(guarantees: Sequence[Guarantee]) -> Iterator[str]:
    """What the numbers mean; each sentence once, with its groups where there are several.

    Args:
        guarantees: What the allocation gave.
    """
    groups: dict[str, list[str]] = {}
    for found in guarantees:
        groups.setdefault(found.meaning, []).append(found.group)
    for meaning, names in groups.items():
        yield meaning if len(groups) == 1 else f"{', '.join(names)}: {meaning}"
