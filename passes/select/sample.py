"""Units drawn in proportion to their sensitivities, the weights that read them made up for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling
from graphprune.passes.select.registry import selector
from graphprune.passes.select.reweighting import Row, keep_drawn, reweighted
from graphprune.scores import Scores, Selection, Widths
from graphprune.terms import Floats


@selector("sample")
@dataclass(frozen=True)
class Sample:
    """Draws the units of every row by their sensitivities and reweights what reads them.

    As many draws with replacement as are expected to meet as many different units as the row
    keeps; the weights that read a unit are multiplied by ``count / (draws p)``, by which the sums
    of every layer are right on average. A row keeps exactly its width: see
    :func:`graphprune.passes.select.reweighting.keep_drawn` for what becomes of draws that meet
    fewer or more. Units without any sensitivity are never drawn. Criterion ``pfp`` only.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    the randomised variant of the authors' released code.
    """

    def __call__(self, coupling: Coupling, scores: Scores, widths: Widths, seed: int) -> Selection:
        """Draws the units.

        Raises:
            BadData: The scores are no sensitivities.
        """
        return reweighted(coupling, scores, widths, seed, _row, "sample")


def _row(sensitivities: Floats, width: int, rng: np.random.Generator) -> Row:
    nothing = np.zeros(len(sensitivities), dtype=np.bool_)
    return keep_drawn(sensitivities, nothing, width, rng)
