"""The highest scores of every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.select.registry import selector
from graphprune.scores import Scores, Selection, Widths


@selector("top")
@dataclass(frozen=True)
class Top:
    """Every row of a group keeps its highest-scored units; of equals the first ones."""

    def __call__(self, coupling: Coupling, scores: Scores, widths: Widths, seed: int) -> Selection:
        """Chooses the units; nothing is drawn at random."""
        alive = coupling.everything()
        for group in coupling:
            order = np.argsort(-scores[group.name], axis=1, kind="stable")
            dead = order[:, widths.kept[group.name] :]
            alive[np.take_along_axis(group.units, dead, axis=1)] = False
        return Selection(alive)
