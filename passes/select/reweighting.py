"""What the selectors that draw at random have in common.

A row of a group is drawn from by itself. Its units are drawn with replacement in proportion to
their sensitivities, and the weights that read a unit are multiplied by how often it was drawn
over how often that was expected, so that every sum of a reader is right on average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np

from graphprune.errors import BadData
from graphprune.groups import Alive, Coupling, Group
from graphprune.passes.allocate.pfp import epsilon_of
from graphprune.passes.select.draw import Draws, chances, draw
from graphprune.passes.select.reach import reach
from graphprune.passes.select.top import Top
from graphprune.scores import Guarantee, Scores, Selection, Widths
from graphprune.terms import Floats


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one row of a group.

    Attributes:
        alive: Whether each unit lives, ``(width,)``.
        factors: What its readers' weights are multiplied by, ``(width,)``; 1 for dead units.
        total: Sum of the sensitivities of the units that were drawn from.
        draws: How they were drawn; None where none were.
        lost: Whether units with a share in some result are gone without having been drawn from.
    """

    alive: Alive
    factors: Floats
    total: float = 0.0
    draws: Draws | None = None
    lost: bool = False


Choose = Callable[[Floats, int, np.random.Generator], Row]
"""Chooses the units of a row by their sensitivities, as many as it is told to keep."""


def keep_certain(sensitivities: Floats, width: int) -> Row:
    """The most sensitive units of a row as they are; of equals the first ones.

    Args:
        sensitivities: ``(units,)``.
        width: How many live.
    """
    order = np.argsort(-sensitivities, kind="stable")
    alive = np.zeros(len(sensitivities), dtype=np.bool_)
    alive[order[:width]] = True
    return Row(alive, np.ones(len(sensitivities)), lost=bool((sensitivities[~alive] > 0).any()))


def keep_drawn(sensitivities: Floats, certain: Alive, width: int, rng: np.random.Generator) -> Row:
    """Some units of a row for certain and as they are, the others drawn and reweighted.

    Where fewer different units are drawn than there is room for, the most sensitive others live
    too, with the factor 0: they change nothing, and training may make use of them. Where more
    would be drawn, drawing ends before: see :func:`graphprune.passes.select.draw.draw`. Neither
    makes the sums of a reader wrong on average.

    Args:
        sensitivities: ``(units,)``.
        certain: Whether each unit lives for certain, ``(units,)``; fewer do than live in all.
        width: How many live, fewer than have a sensitivity above 0.
        rng: Source of randomness.
    """
    rest = np.where(certain, 0.0, sensitivities)
    draws = draw(chances(rest), width - int(certain.sum()), rng)
    drawn = draws.factors > 0
    order = np.lexsort((-sensitivities, ~drawn, ~certain))
    alive = np.zeros(len(rest), dtype=np.bool_)
    alive[order[:width]] = True
    factors = np.where(alive & ~certain, draws.factors, 1.0)
    return Row(alive, factors, float(rest.sum()), draws)


def reweighted(
    coupling: Coupling, scores: Scores, widths: Widths, seed: int, choose: Choose, name: str
) -> Selection:
    """Chooses units row by row and collects their factors.

    Groups that something reads whose weights cannot be multiplied keep their most sensitive
    units, and the notes say so. What is drawn for a group does not depend on the others.

    Args:
        coupling: The groups.
        scores: Sensitivities.
        widths: Units every row of a group keeps.
        seed: Seed of the draws.
        choose: Chooses within a row.
        name: Of the selector, for messages.

    Raises:
        BadData: The scores are no sensitivities.
    """
    _require_sensitivities(scores, name)
    alive = Top()(coupling, scores, widths, seed).alive
    factors, found = np.ones(coupling.units + 1), reach(coupling)
    notes, rows = [], dict[str, tuple[Row, ...]]()
    for group in coupling:
        width, why = widths.kept[group.name], found[group.name].why
        if width == group.width:
            rows[group.name] = ()
        elif why:
            notes.append(
                f"{group.name}: the most sensitive channels are kept, none are drawn: {why}"
            )
        else:
            rng = np.random.default_rng((seed, int(group.units.min())))
            rows[group.name] = _rows(group, scores[group.name], width, choose, rng)
            alive[group.units] = [row.alive for row in rows[group.name]]
            factors[group.units] = [row.factors for row in rows[group.name]]
    guarantees = tuple(_guarantee(g, rows) for g in widths.guarantees)
    return Selection(alive, None if (factors == 1).all() else factors, tuple(notes), guarantees)


def _require_sensitivities(scores: Scores, name: str) -> None:
    if not scores.criterion.startswith("pfp"):
        raise BadData(
            f"selection '{name}' cannot use the scores of criterion '{scores.criterion}'",
            why="it takes them for shares of channels in the results of layers",
            fix="choose criterion 'pfp', or selection 'top'",
        )


def _rows(
    group: Group, scores: Floats, width: int, choose: Choose, rng: np.random.Generator
) -> tuple[Row, ...]:
    """Every row of a group; what leaves nothing to be drawn is kept as it is."""
    return tuple(
        choose(line, width, rng)
        if np.count_nonzero(chances(line)) > width
        else replace(keep_certain(line, width), lost=False)
        for line in scores
    )


def _guarantee(given: Guarantee, rows: Mapping[str, Sequence[Row]]) -> Guarantee:
    """What holds of a group once its units are drawn.

    The sum of a reader is one of independent summands, of which row r has T_r, each at most
    S_r / T_r of the sum it stands for, S_r being the sum of the sensitivities that were drawn
    from; the row with the largest such quotient decides. The numbers of draws are not fixed
    beforehand, so every combination of them gets an equal part of delta.
    """
    own = rows.get(given.group)
    if own is None or any(row.lost for row in own):
        return given
    drawn = [(row.total, row.draws) for row in own if row.draws is not None]
    if not drawn:
        return replace(given, draws=0, epsilon=0.0)
    logarithm = given.log_events + sum(log(draws.limit) for _, draws in drawn)
    c = min(draws.number / (total * logarithm) for total, draws in drawn)
    number = sum(draws.number for _, draws in drawn)
    return replace(given, draws=number, epsilon=epsilon_of(c), sampled=True)
