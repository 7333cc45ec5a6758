"""Per-unit sums are checked against indexing every unit's elements one by one."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.groups import Layer
from graphprune.passes.score import aggregate
from graphprune.passes.score.aggregate import (
    element_sums,
    producers,
    square_sums,
    unit_sums,
)
from tests.networks import chain, concat, depthwise, residual


def one_by_one(tensor: np.ndarray, layer: Layer, units: int) -> np.ndarray:
    whole = np.broadcast_to(layer.ids, tensor.shape)
    return np.array(
        [np.abs(tensor[whole == unit].astype(float)).sum() for unit in range(units + 1)]
    )


LAYERS = {
    "first axis": (Layer(np.array([3, 1, 0, 2, 1, 3])[:, None, None], 0), (6, 4, 5)),
    "last axis": (Layer(np.array([3, 1, 0, 2])[None, None, :], 2), (6, 5, 4)),
    "rows": (Layer(np.array([[1, 2], [1, 2], [3, 4]])[:, None, :], 2), (3, 7, 2)),
    "rows behind": (Layer(np.array([[1, 1, 3], [2, 2, 4]])[:, :, None], 0), (2, 3, 7)),
    "vector": (Layer(np.array([2, 1]), 0), (2,)),
    "extent of one": (Layer(np.array([[2]]), 1), (3, 1)),
}


@pytest.mark.parametrize("slab", [1, 9, 1 << 20])
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_sums_equal_those_of_single_units(
    name: str, slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "_SLAB", slab)
    layer, shape = LAYERS[name]
    tensor = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    sums = unit_sums(tensor, layer, 4, np.abs)
    assert sums.dtype == np.float64
    np.testing.assert_allclose(sums, one_by_one(tensor, layer, 4), rtol=1e-12)


def test_half_precision_neither_overflows_nor_vanishes() -> None:
    layer = Layer(np.array([1, 2])[:, None], 0)
    tensor = np.array([np.full(5000, 300.0), np.full(5000, 1e-4)], dtype=np.float16)
    sums = unit_sums(tensor, layer, 2, np.square)
    # float16 ends at 65504, and 1e-4 squared is below its smallest number.
    np.testing.assert_allclose(sums[1:], [5000 * 9e4, 5000 * 1e-8], rtol=2e-3)


def test_filters_speak_for_a_group() -> None:
    coupling = residual()
    assert [str(m) for m in producers(coupling, coupling.group("g1"))] == [
        "a.weight.0",
        "c.weight.0",
    ]
    coupling = depthwise()
    assert [str(m) for m in producers(coupling, coupling.groups[0])] == [
        "a.weight.0",
        "dw.weight.0",
    ]


def test_vectors_and_consumers_do_not() -> None:
    coupling = chain(8, 5)
    assert [str(m) for m in producers(coupling, coupling.groups[0])] == ["c0.weight.0"]


def test_a_group_without_filters_is_judged_by_all_members() -> None:
    coupling = concat()
    group = coupling.groups[0]
    consumers = type(group)("g9", group.units, group.members[1:])
    assert [str(m) for m in producers(coupling, consumers)] == ["c.weight.1"]


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_squares_are_summed_to_the_precision_of_the_tensor(name: str) -> None:
    layer, shape = LAYERS[name]
    wide = tuple(
        300 * n if m == 1 and i != layer.axis else n
        for i, (n, m) in enumerate(zip(shape, layer.ids.shape, strict=True))
    )
    tensor = np.random.default_rng(0).standard_normal(wide).astype(np.float32)
    sums = square_sums(tensor, layer)
    assert sums.shape == layer.ids.shape
    np.testing.assert_allclose(sums, element_sums(tensor, layer, np.square), rtol=5e-7)


@pytest.mark.parametrize("size", [1e-30, 1e25])
def test_squares_that_leave_the_range_of_float32_are_summed_in_float64(size: float) -> None:
    layer = Layer(np.array([1, 2])[:, None], 0)
    tensor = np.array([np.full(500, size), np.ones(500)], dtype=np.float32)
    exact = element_sums(tensor, layer, np.square)
    assert square_sums(tensor, layer).tolist() == exact.tolist()
    assert exact[0, 0] == pytest.approx(500 * size**2, rel=1e-6)
