"""Rules with one mistake each, planted where a real mistake would be: in every run on labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import pytest

from graphprune.errors import GraphpruneError
from graphprune.execution import execute, execute_float64
from graphprune.frontends.onnx import load, lower
from graphprune.groups import Coupling, Ids
from graphprune.ir import Graph
from graphprune.passes.couple import couple
from graphprune.passes.couple.context import Context
from graphprune.passes.narrow import narrow
from graphprune.passes.verify import Trial, verify
from tests.oracle import Widths, drawn

Mistake = Callable[[Ids, Ids], tuple[Ids, Ids] | None]


def forgotten(left: Ids, right: Ids) -> None:
    """The equality is left out."""
    return None


def shifted(left: Ids, right: Ids) -> tuple[Ids, Ids]:
    """The equality pairs every channel with the one before."""
    return np.roll(left, 1, int(np.argmax(left.shape))), right


@contextmanager
def mistaken(place: tuple[str, int], mistake: Mistake) -> Iterator[None]:
    """While this lasts, one equality is wrong: the n-th of the node with a certain result."""
    true = Context.equate
    calls: Counter[Context] = Counter()  # keeps them alive: a number of one may come again

    def equate(self: Context, left: Ids, right: Ids) -> None:
        if self.index >= 0 and place[0] in self.node.outputs:
            calls[self] += 1
            if calls[self] == place[1] + 1:
                wrong = mistake(left, right)
                if wrong is None:
                    return
                left, right = wrong
        true(self, left, right)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "equate", equate)
        yield


def places(model: onnx.ModelProto) -> list[tuple[str, str, int]]:
    """Family, result and number of every equality that a model's rules ask for."""
    return equalities(lower(load(model)).graph)


def equalities(graph: Graph) -> list[tuple[str, str, int]]:
    """Family, result and number of every equality that a graph's rules ask for."""
    found: list[tuple[str, str, int]] = []
    calls: Counter[str] = Counter()
    true = Context.equate

    def equate(self: Context, left: Ids, right: Ids) -> None:
        if self.index >= 0:
            name = next(n for n in self.node.outputs if n)
            found.append((self.node.family, name, calls[name]))
            calls[name] += 1
        true(self, left, right)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "equate", equate)
        couple(graph)
    return found


def forgets_nothing(true: Coupling, mistaken: Coupling) -> bool:
    """Whether every equality of the true units still holds: too many are no danger."""
    pairs = np.unique(np.stack([_elements(true), _elements(mistaken)]), axis=1)
    return bool(np.unique(pairs[0]).size == pairs.shape[1])


def _elements(coupling: Coupling) -> Ids:
    """The unit of every element of every parameter, axis by axis."""
    found = []
    for value in coupling.graph.params:
        layers = {z.axis: z.ids for z in coupling.layers.get(value.name, ())}
        for axis in range(len(value.known_shape)):
            ids = layers.get(axis, np.zeros(1, np.int64))
            found.append(np.broadcast_to(ids, value.known_shape).ravel())
    return np.concatenate(found)


def caught(model: onnx.ModelProto, seed: int, widths: Widths = "half") -> str:
    """How a mistake shows in a plan of equal widths; empty where it does not."""
    lowered = lower(load(model))
    try:
        coupling = couple(lowered.graph)
        alive = drawn(coupling, seed, widths)
        narrowed = narrow(lowered, coupling, alive)
        trial = Trial(execute, runs=1, precise=execute_float64)
        proof = verify(lowered, coupling, alive, narrowed, trial)
    except (GraphpruneError, ValueError, IndexError) as error:
        return type(error).__name__
    if proof.ok:
        return ""
    return "masked" if proof.replay.ok else "replay"
