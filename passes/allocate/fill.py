"""Growing widths up to the bounds, and shrinking a selection that exceeds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphprune.groups import Ids
from graphprune.passes.allocate.problem import Problem
from graphprune.scores import Selection, Widths
from graphprune.terms import Floats

# A budget counts as used once its tightest bound is used to this share.
FILLED = 0.98


def grow(problem: Problem, widths: Ids, priority: Callable[[Ids], Floats]) -> Ids:
    """Widens groups one choice at a time while every bound holds.

    Every group may grow by one choice; only where the tightest bound is then used to less than
    98 % may groups grow by further ones.

    Args:
        problem: Choices and bounds.
        widths: Where to start; they meet every bound.
        priority: Says from the widths how urgently every group should grow, ``(groups,)``.

    Returns:
        The widths; no group could grow further, or the tightest bound is used to 98 %.
    """
    widths = widths.copy()
    growing = set(range(len(widths)))
    while growing:
        for i in np.argsort(-priority(widths), kind="stable"):
            if i not in growing:
                continue
            wider = problem.neighbour(i, widths[i], 1)
            trial = widths.copy()
            trial[i] = wider or 0
            if wider is not None and problem.holds(trial):
                widths = trial
            else:
                # The cost only rises from here on: what does not fit now never will.
                growing.discard(int(i))
        if problem.bounds.use(problem.model.evaluate(widths)) >= FILLED:
            break
    return widths


def fit(
    problem: Problem, widths: Widths, choose: Callable[[Widths], Selection]
) -> tuple[Widths, Selection]:
    """Selects the units, and shrinks groups until the exact cost exceeds no bound.

    Widths alone do not determine the cost where the units of a group hold unequal numbers of
    elements, or where one tensor is narrowed differently for several uses. While a bound is
    exceeded, the group that loses the least score for what it saves goes to its next choice.

    Args:
        problem: Choices, scores and bounds.
        widths: Where to start.
        choose: Selects the units at given widths.

    Returns:
        The widths, with a note on every group that was shrunk, and what was selected.

    Raises:
        InfeasibleBudget: A bound is exceeded with every group at its narrowest.
    """
    kept, shrunk = dict(widths.kept), dict[str, str]()
    while True:
        current = Widths(kept, widths.notes + tuple(shrunk.values()), widths.guarantees)
        selection = choose(current)
        cost = problem.model.exact(selection.alive)
        over = problem.bounds.exceeded(cost)
        if not over:
            return current, selection
        cheapest = _cheapest(problem, current.vector(problem.coupling), over)
        if cheapest is not None:
            name, narrower = cheapest
            kept = kept | {name: narrower}
            shrunk[name] = (
                f"{name}: {narrower} units a row instead of {widths.kept[name]} to hold "
                f"{' and '.join(over)}: the selected ones cost more than their number tells"
            )
        elif problem.unrounded() is not problem:
            problem = problem.unrounded()
        else:
            raise problem.infeasible(over[0], getattr(cost, over[0]))


def _cheapest(problem: Problem, widths: Ids, over: tuple[str, ...]) -> tuple[str, int] | None:
    """The group that loses the least score for what it saves, and its next narrower choice."""
    now, ranks = problem.model.evaluate(widths), problem.rank_scores()
    best: tuple[float, int, int] | None = None
    for i, group in enumerate(problem.coupling):
        narrower = problem.neighbour(i, widths[i], -1)
        if narrower is None:
            continue
        trial = widths.copy()
        trial[i] = narrower
        then = problem.model.evaluate(trial)
        saved = sum(1 - getattr(then, name) / getattr(now, name) for name in over)
        if saved > 0:
            loss = group.rows * float(ranks[i][narrower : widths[i]].sum())
            best = min(best or (np.inf, 0, 0), (loss / saved, i, narrower))
    return best and (problem.coupling.groups[best[1]].name, best[2])
