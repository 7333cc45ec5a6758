"""The units that draws would meet almost surely as they are, the others drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.select.draw import chances, draws_for
from graphprune.passes.select.registry import selector
from graphprune.passes.select.reweighting import Row, keep_certain, keep_drawn, reweighted
from graphprune.scores import Scores, Selection, Widths
from graphprune.terms import Floats


@selector("mixed")
@dataclass(frozen=True)
class Mixed:
    """Keeps units that one draw or more is expected to meet, and draws the room that is left.

    With m draws as for selection ``sample``, the units with p >= 1/m live for certain and their
    readers' weights stay what they are; the others are drawn and reweighted as there, by
    their parts of what is left of the sensitivities. The sums of every layer are right on
    average, unless the certain units leave no room: then the others are gone, as with ``top``.
    Criterion ``pfp`` only.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    the mixed variant of the authors' released code.
    """

    def __call__(self, coupling: Coupling, scores: Scores, widths: Widths, seed: int) -> Selection:
        """Chooses the certain units and draws the others.

        Raises:
            BadData: The scores are no sensitivities.
        """
        return reweighted(coupling, scores, widths, seed, _row, "mixed")


def _row(sensitivities: Floats, width: int, rng: np.random.Generator) -> Row:
    probabilities = chances(sensitivities)
    number = int((probabilities * draws_for(probabilities, width) >= 1).sum())
    if number >= width:
        return keep_certain(sensitivities, width)
    certain = keep_certain(sensitivities, number).alive
    return keep_drawn(sensitivities, certain, width, rng)
