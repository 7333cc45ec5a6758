"""The budgets of the steps of a schedule, as fractions of the original's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from graphprune.budget import Budget, parse_amount
from graphprune.errors import BadData

Amount = str | float | None
Course = Amount | Sequence[Amount]

STEPS = 4


def targets(
    courses: Mapping[str, Course],
    steps: int | None,
    full: Mapping[str, float],
    start: Mapping[str, float],
) -> tuple[Budget, ...]:
    """One budget a step.

    A single amount is what the last step reaches; the steps before lie on a geometric sequence,
    so that every step takes the same share of what is left: with ``s`` steps from cost 1 to
    ``f``, step ``i`` has the budget ``f ** (i / s)``. A sequence gives every step its own.

    Args:
        courses: Bounds by the names of :class:`Budget`; None for an absent one.
        steps: Their number; where left out that of the longest sequence, or 4.
        full: What the original costs, for amounts that are absolute.
        start: Which fraction of it the first step starts from.

    Raises:
        BadData: Amounts grow, sequences differ in length, or there is no step.
    """
    given = {name: course for name, course in courses.items() if course is not None}
    listed = {name: c for name, c in given.items() if not isinstance(c, str | int | float)}
    count = _count(steps, listed)
    lines = {
        name: _listed(name, course, full)
        if not isinstance(course, str | int | float)
        else _geometric(_fraction(name, course, full), start.get(name, 1.0), count)
        for name, course in given.items()
    }
    if not lines:
        raise BadData("a schedule needs a budget", fix="give macs=, params=, memory= or channels=")
    return tuple(Budget(**{name: line[i] for name, line in lines.items()}) for i in range(count))


def _count(steps: int | None, listed: Mapping[str, Sequence[Amount]]) -> int:
    lengths = {len(course) for course in listed.values()} | (
        {steps} if steps is not None else set()
    )
    if len(lengths) > 1:
        raise BadData(
            "it is not clear how many steps there are",
            why=f"budgets and steps= say {' and '.join(map(str, sorted(lengths)))}",
        )
    count = lengths.pop() if lengths else STEPS
    if count < 1:
        raise BadData("a schedule needs at least one step", why=f"steps is {count}")
    return count


def _geometric(target: float, start: float, count: int) -> list[float]:
    if target >= start:
        return [target] * count
    return [start * (target / start) ** (i / count) for i in range(1, count)] + [target]


def _listed(name: str, course: Sequence[Amount], full: Mapping[str, float]) -> list[float]:
    line = [_fraction(name, amount, full) for amount in course]
    if any(later > earlier for earlier, later in pairwise(line)):
        raise BadData(
            f"the budgets '{name}' grow from step to step",
            why="what is removed does not come back",
            fix="list them in descending order",
        )
    return line


def _fraction(name: str, amount: Amount, full: Mapping[str, float]) -> float:
    budget = Budget.parse({name: parse_amount(amount) if isinstance(amount, str) else amount})
    value: float = getattr(budget, name) or 1.0
    return value if value <= 1 else value / full[name]
