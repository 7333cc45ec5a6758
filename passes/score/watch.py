"""Looking at what layers read, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graphprune.errors import UnsupportedModel
from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling
from graphprune.ir import Graph
from graphprune.passes.score.readers import Reader, readers


class Reading(NamedTuple):
    """What one layer multiplies by what in one batch.

    Attributes:
        reader: The layer.
        channels: Contents of the operand that holds the channels.
        weights: Contents of the other one.
    """

    reader: Reader
    channels: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Watched:
    """The layers of a network that can be looked into, and the user's batches.

    Attributes:
        graph: The network.
        readers: The layers.
        notes: On layers that cannot be looked into.
        evidence: Has the weights.
        batches: Contents of what is computed, batch by batch; can be read once.
        counted: The input that says how many data points a batch has; empty for one.
    """

    graph: Graph
    readers: tuple[Reader, ...]
    notes: tuple[str, ...]
    evidence: Evidence
    batches: Iterator[Mapping[str, Array]]
    counted: str

    def first(self, limit: int | None = None) -> Iterator[tuple[int, Iterator[Reading]]]:
        """The number of data points of every batch, and what the layers read on it.

        Args:
            limit: Data points to stop after; all where left out.
        """
        left = limit
        for contents in self.batches:
            points = len(contents[self.counted]) if self.counted else 1
            taken = points if left is None else min(points, left)
            yield taken, self._readings(contents, points, taken)
            left = None if left is None else left - taken
            if left == 0:
                return

    def _readings(
        self, contents: Mapping[str, Array], points: int, taken: int
    ) -> Iterator[Reading]:
        for reader in self.readers:
            operands = (
                self._array(name, contents, points, taken)
                for name in (reader.channels, reader.weights)
            )
            yield Reading(reader, *operands)

    def _array(self, name: str, contents: Mapping[str, Array], points: int, taken: int) -> Array:
        """What an operand holds, in a type that NumPy multiplies quickly."""
        value = self.graph.values[name]
        if name not in contents:
            found = value.const if value.const is not None else self.evidence(name)
        else:
            found = contents[name]
            if found.ndim and len(found) == points:
                found = found[:taken]
        return found if found.dtype == np.float64 else found.astype(np.float32)


def watch(coupling: Coupling, evidence: Evidence, criterion: str) -> Watched:
    """Opens the user's batches for a criterion that looks at what layers read.

    Args:
        coupling: The groups.
        evidence: The weights, and an observer.
        criterion: Its name, for messages.

    Raises:
        BadData: There are no data.
    """
    observer, graph = evidence.observed(criterion), coupling.graph
    inputs = [name for name in graph.inputs if graph.values[name].shape]
    found = readers(coupling)
    notes: tuple[str, ...] = ()
    counted = inputs[0] if inputs else ""
    while True:
        computed = [name for reader in found for name in _computed(graph, reader)]
        try:
            batches = observer.activations(list(dict.fromkeys([*inputs[:1], *computed])))
        except UnsupportedModel as error:
            found, note = _without(found, error)
            notes = (*notes, note)
            continue
        return Watched(graph, found, notes, evidence, batches, counted)


def _without(found: tuple[Reader, ...], error: UnsupportedModel) -> tuple[tuple[Reader, ...], str]:
    """The readers but those of a value that cannot be observed, and a note on them.

    Raises:
        UnsupportedModel: None of them reads it.
    """
    left = tuple(r for r in found if error.where not in (r.channels, r.weights))
    if len(left) == len(found):
        raise error
    lost = next(r for r in found if r not in left)
    return left, f"'{lost.node.title}' is not looked into: {error.what}"


def _computed(graph: Graph, reader: Reader) -> tuple[str, ...]:
    """The operands that depend on the data, or on anything that is no parameter."""
    names = (reader.channels, reader.weights)
    return tuple(n for n in names if graph.values[n].kind in ("computed", "input"))
