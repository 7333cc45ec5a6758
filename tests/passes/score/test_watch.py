"""What layers read, as the criteria get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from graphprune.errors import UnsupportedModel
from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling
from graphprune.ir.text import parse
from graphprune.passes.couple import couple
from graphprune.passes.score.watch import watch


@dataclass
class Given:
    """Five batches of three data points; some values cannot be seen."""

    hidden: tuple[str, ...] = ()
    read: list[int] = field(default_factory=list)
    learnable = frozenset[str]()

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        for name in names:
            if name in self.hidden:
                raise UnsupportedModel("it cannot be seen", where=name)
        return self._batches(names)

    def _batches(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        for i in range(5):
            self.read.append(i)
            yield {name: np.full((3, 4, 2, 2), i, np.float16) for name in names}

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")


def coupled() -> Coupling:
    return couple(
        parse("""
        input x: [1,4,2,2]
        param a: [4,4,1,1]
        param b: [4,4,1,1]
        param c: [2,4,1,1]
        p: [1,4,2,2] = conv(x, a)
        q: [1,4,2,2] = conv(p, b)
        y: [1,2,2,2] = conv(q, c)
        return y
        """)
    )


def evidence(observer: Given) -> Evidence:
    return Evidence(lambda name: np.ones((2 if name == "c" else 4, 4, 1, 1)), observer)


def test_every_layer_is_given_its_operands() -> None:
    found = watch(coupled(), evidence(Given()), "pfp")
    assert found.notes == ()
    for points, readings in found.first():
        shapes = [(r.channels.shape, r.weights.shape) for r in readings]
        assert shapes == [((3, 4, 2, 2), (4, 4, 1, 1)), ((3, 4, 2, 2), (2, 4, 1, 1))]
        assert points == 3


def test_half_precision_is_widened() -> None:
    for _, readings in watch(coupled(), evidence(Given()), "pfp").first():
        assert {r.channels.dtype for r in readings} == {np.dtype(np.float32)}


def test_no_more_data_points_are_read_than_asked_for() -> None:
    observer = Given()
    found = watch(coupled(), evidence(observer), "pfp")
    seen = [(n, [len(r.channels) for r in readings]) for n, readings in found.first(7)]
    assert seen == [(3, [3, 3]), (3, [3, 3]), (1, [1, 1])]
    assert observer.read == [0, 1, 2]


def test_layers_that_cannot_be_looked_into_are_left_out_and_noted() -> None:
    found = watch(coupled(), evidence(Given(("p",))), "pfp")
    assert [reader.channels for reader in found.readers] == ["q"]
    assert found.notes == ("'q' is not looked into: it cannot be seen",)


def test_what_no_layer_reads_cannot_be_left_out() -> None:
    with pytest.raises(UnsupportedModel, match="it cannot be seen"):
        watch(coupled(), evidence(Given(("x",))), "pfp")
