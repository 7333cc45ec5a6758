"""The criteria by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from graphprune.evidence import Evidence
from graphprune.groups import Coupling
from graphprune.registry import Registry
from graphprune.scores import Scores

Tensors = Callable[[str], NDArray[np.generic]]


class Criterion(Protocol):
    """Says how important every unit is.

    A criterion is a frozen dataclass whose fields are its options, registered under a name. One
    that looks at more than weights says so by a class attribute
    ``needs: ClassVar[frozenset[str]]``, with names of :data:`graphprune.registry.NEEDS`: it is
    then refused before a model is analysed.
    """

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int, /) -> Scores:
        """Scores the units of every group.

        Args:
            coupling: The groups.
            evidence: Maps the name of a parameter value to its contents in the graph's shape, and
                has an observer where the user gave data.
            seed: Seed of whatever is drawn at random.
        """


CRITERIA: Registry[Criterion] = Registry("criterion")
criterion = CRITERIA.register


def criteria() -> tuple[str, ...]:
    """The names of all criteria."""
    return CRITERIA.names


def score(
    name: str,
    coupling: Coupling,
    evidence: Evidence | Tensors,
    seed: int = 0,
    **options: object,
) -> Scores:
    """Scores the units of every group by one criterion.

    Args:
        name: Name of the criterion, or a spec of it with options: ``l2:aggregate=max``.
        coupling: The groups.
        evidence: What criteria may look at. A function that maps the name of a parameter value
            to its contents in the graph's shape is enough for criteria without data.
        seed: Seed of whatever is drawn at random.
        **options: Fields of the criterion.

    Returns:
        One score a unit, ``(rows, width)`` for every group.

    Raises:
        BadData: There is no such criterion or option, it needs data that were not given, or the
            scores are not finite.
    """
    given = evidence if isinstance(evidence, Evidence) else Evidence(evidence)
    # Products are many and small: threads would spend their time waiting for each other.
    with threadpool_limits(1, "blas"):
        scores = CRITERIA.create(name, options)(coupling, given, seed)
    for group in coupling:
        if scores[group.name].shape != group.units.shape:
            raise ValueError(
                f"criterion '{name}' gives {group.name} scores of shape "
                f"{scores[group.name].shape}, not {group.units.shape}"
            )
    return scores
