"""Scores, Widths, Guarantees and Selections: what flows from score to allocate to select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData
from graphprune.groups import Alive, Coupling, Ids


@dataclass(frozen=True, eq=False)
class Scores:
    """How important every unit is; larger is more important.

    Attributes:
        values: For every group by name, float64 of shape ``(rows, width)``.
        criterion: What the numbers measure.
        notes: Sentences on what the numbers could not take into account.
    """

    values: Mapping[str, NDArray[np.float64]]
    criterion: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be ranked.

        Raises:
            BadData: A score is NaN or infinite.
        """
        for name, rows in self.values.items():
            if not np.all(np.isfinite(rows)):
                raise BadData(
                    f"criterion '{self.criterion}' gives scores that are not finite",
                    where=f"group {name}",
                    why="the weights it reads hold NaN, infinities or numbers too large",
                )

    def __getitem__(self, group: str) -> NDArray[np.float64]:
        """The scores of one group, ``(rows, width)``."""
        return self.values[group]


@dataclass(frozen=True)
class Guarantee:
    """What sampling the units of one group would promise, and at which number of draws.

    Of one layer that reads the group: with probability 1 - delta over the draws and the data,
    every sum of summands of one sign stays within (1 +- epsilon) of what it was. Where units are
    not drawn but the most sensitive ones are kept, epsilon is a heuristic and no bound.

    Attributes:
        group: Its name.
        sensitivity: The sum of its units' sensitivities.
        draws: How many draws with replacement the width stands for.
        epsilon: The relative error.
        delta: Probability of failure.
        sampled: Whether units were drawn and weights rescaled, as the bound supposes.
        log_events: The logarithm in the sample complexity, of the group's hardest reader.
    """

    group: str
    sensitivity: float
    draws: float
    epsilon: float
    delta: float
    sampled: bool = False
    log_events: float = 0.0

    @property
    def meaning(self) -> str:
        """What the numbers promise, in a sentence."""
        if self.epsilon == 0:
            return "every channel that had any share in a result on the data is kept as it is"
        if self.sampled:
            return (
                "channels are drawn and weights made up for it: each layer's sums of one sign "
                f"stay within epsilon of theirs with probability 1 - {self.delta:g}, if "
                "sensitivities hold beyond the data"
                + ("; more than 1 promises next to nothing" if self.epsilon > 1 else "")
            )
        return "epsilon is heuristic: the most sensitive channels are kept, none are drawn"


@dataclass(frozen=True, eq=False)
class Widths:
    """How many units every group keeps.

    Attributes:
        kept: Units kept in each row, by group name.
        notes: Sentences on what was not given as asked, and why.
        guarantees: What the widths promise, where the policy knows.
    """

    kept: Mapping[str, int]
    notes: tuple[str, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()

    def vector(self, coupling: Coupling) -> Ids:
        """The widths in the coupling's order of groups, ``(groups,)``."""
        return np.array([self.kept[group.name] for group in coupling], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Selection:
    """Which units live, and by what the weights that read them are multiplied.

    Attributes:
        alive: Whether each unit lives, indexed by unit id; units of no group do.
        factors: What the weights of the readers of each unit are multiplied by, ``(units + 1,)``
            by unit id: 1 where they stay what they are. None where all of them do.
        notes: Sentences on what was not done as asked, and why.
        guarantees: What the widths promise with these units; None where that is what the
            allocation said.
    """

    alive: Alive
    factors: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    guarantees: tuple[Guarantee, ...] | None = None
