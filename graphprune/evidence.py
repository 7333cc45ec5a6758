"""What criteria may look at: the weights, and what a model does on data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import BadData

Array = NDArray[Any]


class Observer(Protocol):
    """Runs a model over the user's batches and hands out what happens inside.

    Values and parameters go by their names in the canonical graph.
    """

    @property
    def learnable(self) -> Collection[str]:
        """The parameter values that training changes: neither buffers nor constants."""

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        """The contents of values, batch by batch.

        Args:
            names: Values of the graph.
        """

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        """The gradients of each batch's loss, batch by batch.

        Args:
            names: Parameters of the graph, or computed values.

        Raises:
            BadData: There is no loss, or it cannot be computed on the data.
        """

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Array]]:
        """The Hessian of each batch's loss times the gradient of all batches' mean loss.

        Args:
            names: Parameters of the graph: what the loss is differentiated by.
            temperature: By what outputs of the model are divided before the loss.

        Raises:
            BadData: There is no loss, or it cannot be computed on the data.
        """


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a criterion is given.

    Called with the name of a parameter value it gives the parameter's contents, which is all that
    criteria without data need.

    Attributes:
        contents: Maps the name of a parameter value to its contents in the graph's shape.
        observer: Runs the model over data; None where no data were given.
        missing: What the user has to give to get an observer.
    """

    contents: Callable[[str], NDArray[np.generic]]
    observer: Observer | None = None
    missing: str = "give calibration batches: data="

    def __call__(self, name: str) -> NDArray[np.generic]:
        """The contents of a parameter value."""
        return self.contents(name)

    def observed(self, criterion: str) -> Observer:
        """The observer, for a criterion that cannot do without.

        Raises:
            BadData: There is none.
        """
        if self.observer is None:
            raise BadData(
                f"criterion '{criterion}' needs data",
                why="it looks at what the model does, not at its weights alone",
                fix=self.missing,
            )
        return self.observer
