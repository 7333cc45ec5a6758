"""The selectors by name."""

from __future__ import annotations

from typing import Protocol

from graphprune.groups import Coupling
from graphprune.registry import Registry
from graphprune.scores import Scores, Selection, Widths


class Selector(Protocol):
    """Chooses which units live once their number is known.

    A selector is a frozen dataclass whose fields are its options, registered under a name.
    """

    def __call__(self, coupling: Coupling, scores: Scores, widths: Widths, seed: int) -> Selection:
        """Chooses the units.

        Args:
            coupling: The groups.
            scores: Importance of every unit.
            widths: Units every row of a group keeps.
            seed: Seed of whatever is drawn at random.

        Returns:
            Which units live, and factors for the weights that read them.
        """


SELECTORS: Registry[Selector] = Registry("selector")
selector = SELECTORS.register


def selectors() -> tuple[str, ...]:
    """The names of all selectors."""
    return SELECTORS.names


def select(
    name: str,
    coupling: Coupling,
    scores: Scores,
    widths: Widths,
    seed: int = 0,
    **options: object,
) -> Selection:
    """Chooses which units live.

    Args:
        name: Name of the selector.
        coupling: The groups.
        scores: Importance of every unit.
        widths: Units every row of a group keeps.
        seed: Seed of whatever is drawn at random.
        **options: Fields of the selector.

    Returns:
        Which units live, and factors for the weights that read them.

    Raises:
        BadData: There is no such selector or option.
    """
    return SELECTORS.create(name, options)(coupling, scores, widths, seed)
