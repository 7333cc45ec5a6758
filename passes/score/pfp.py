"""Empirical sensitivity: the largest share that a channel has in what its readers compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.passes.score.readers import DELTA, Reader, data_points
from graphprune.passes.score.registry import criterion
from graphprune.passes.score.shares import Elements, raise_shares
from graphprune.passes.score.unfold import unfold
from graphprune.passes.score.watch import Reading, watch
from graphprune.scores import Scores
from graphprune.terms import Floats

_KINDS = ("channel", "edge")


@criterion("pfp")
@dataclass(frozen=True)
class Pfp:
    """Largest share of a channel in any result of the layers that read it, over the data.

    From 0 to 1; the largest over the readers where there are several. Channels that are read by
    nothing that could be looked into (recurrent cells, sums without weights) count as 1, which
    no share exceeds. Labels play no part.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    section 3, empirical sensitivity; data points as said in :func:`data_points`, later ones are
    not looked at.

    Attributes:
        sensitivity: ``channel``, a share is that of the whole channel, which the paper's proof
            needs; ``edge``, that of a single weight, which its released code takes. They are
            the same in linear layers and 1 x 1 convolutions.
        delta: Probability with which the bound may fail; sets the number of data points.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"data"})

    sensitivity: str = "channel"
    delta: float = DELTA

    def __post_init__(self) -> None:
        """Refuses options out of range.

        Raises:
            BadData: One is.
        """
        if self.sensitivity not in _KINDS:
            raise BadData(
                f"sensitivity is '{self.sensitivity}'", fix=f"choose one of: {', '.join(_KINDS)}"
            )
        if not 0 < self.delta < 1:
            raise BadData(f"delta is {self.delta}", fix="give a probability between 0 and 1")

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: There are no data.
        """
        watched = watch(coupling, evidence, "pfp")
        needed, seen = data_points(coupling, self.delta), 0
        largest = np.zeros(coupling.units + 1)
        for points, readings in watched.first(needed):
            for reading in readings:
                self._look(largest, reading)
            seen += points
        notes = watched.notes
        if seen < needed:
            notes += (
                f"sensitivities are over {seen} data points; for a probability of failure of "
                f"{self.delta:g} they should be over {needed}",
            )
        if self.sensitivity == "edge":
            notes += ("sensitivities are those of single weights; PFP's bound needs channels'",)
        return Scores(_by_group(coupling, largest, watched.readers), "pfp", notes)

    def _look(self, largest: Floats, reading: Reading) -> None:
        """Raises the shares of the units that one layer reads."""
        for product in unfold(*reading):
            elements = Elements.of(product.ids)
            for piece in product.inputs:
                edge = self.sensitivity == "edge"
                raise_shares(largest, product.weights, piece, elements, edge=edge)


def _by_group(coupling: Coupling, largest: Floats, found: Sequence[Reader]) -> dict[str, Floats]:
    """Shares by group, 1 for units that no reader was looked at for."""
    known = np.zeros(coupling.units + 1, dtype=np.bool_)
    for reader in found:
        known[reader.ids] = True
    # Shares are sums of rounded quotients and may pass 1 by as much.
    bounded = np.where(known, np.minimum(largest, 1.0), 1.0)
    return {group.name: bounded[group.units] for group in coupling}
