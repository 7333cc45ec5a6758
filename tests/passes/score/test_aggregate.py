"""Per-unit sums are checked against indexing every unit's elements one by one."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.groups import Layer
from graphprune.passes.score import CRITERIA, aggregate, score
from graphprune.passes.score.aggregate import (
    Aggregating,
    element_sums,
    parts_of,
    producers,
    square_sums,
)
from graphprune.passes.score.l1 import L1
from graphprune.terms import add_up
from tests.networks import ALL, chain, concat, depthwise, random_tensors, residual


def unit_sums(tensor: np.ndarray, layer: Layer, units: int) -> np.ndarray:
    """Sums of magnitudes by unit id."""
    sums = element_sums(tensor, layer, np.abs)
    assert sums.dtype == np.float64
    return add_up(sums.ravel(), layer.ids.ravel(), units + 1)


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
    sums = unit_sums(tensor, layer, 4)
    np.testing.assert_allclose(sums, one_by_one(tensor, layer, 4), rtol=1e-12)


def test_half_precision_neither_overflows_nor_vanishes() -> None:
    layer = Layer(np.array([1, 2])[:, None], 0)
    tensor = np.array([np.full(5000, 300.0), np.full(5000, 1e-4)], dtype=np.float16)
    sums = element_sums(tensor, layer, np.square)
    # float16 ends at 65504, and 1e-4 squared is below its smallest number.
    np.testing.assert_allclose(sums[:, 0], [5000 * 9e4, 5000 * 1e-8], rtol=2e-3)


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


@pytest.mark.parametrize("network", sorted(ALL))
def test_every_parameter_of_a_unit_speaks_for_itself(network: str) -> None:
    coupling = ALL[network]
    tensors = random_tensors(coupling)
    found = parts_of(coupling, tensors, np.abs)
    for group in coupling:
        assert found[group.name].shape == (len(group.members), *group.units.shape)
        for member, rows in zip(group.members, found[group.name], strict=True):
            layer = next(z for z in coupling.layers[member.param] if z.axis == member.axis)
            sums = one_by_one(tensors[member.param], layer, coupling.units)
            np.testing.assert_allclose(rows, sums[group.units], rtol=1e-12)


def test_parameters_that_are_not_given_do_not_speak() -> None:
    coupling = chain(4)
    tensors = {"c0.bias": random_tensors(coupling)["c0.bias"]}
    found = parts_of(coupling, tensors, np.abs)["g1"]
    np.testing.assert_array_equal(found, np.abs(tensors["c0.bias"])[None, None])
    assert parts_of(coupling, {}, np.abs)["g1"].shape == (0, 1, 4)


def test_numbers_are_aggregated_by_mean_sum_or_maximum() -> None:
    found = {"g1": np.array([[[1.0, -5.0]], [[3.0, -1.0]]]), "g2": np.zeros((0, 2, 3))}
    expected = {"mean": [[2.0, -3.0]], "sum": [[4.0, -6.0]], "max": [[3.0, -1.0]]}
    for how, numbers in expected.items():
        aggregated = L1(how).aggregated(found)  # type: ignore[arg-type]
        assert aggregated["g1"].tolist() == numbers
        assert aggregated["g2"].tolist() == np.zeros((2, 3)).tolist()


def test_an_aggregate_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadData) as caught:
        score("l2:aggregate=min", chain(4), random_tensors(chain(4)).__getitem__)
    assert "expected mean or sum or max" in str(caught.value)
    with pytest.raises(BadData) as caught:
        L1("min")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "BadData: aggregate is 'min'\n  fix:   choose one of: mean, sum, max"
    )


def test_criteria_of_several_parameters_have_the_option() -> None:
    having = {name for name in CRITERIA.names if issubclass(CRITERIA._class(name, ""), Aggregating)}
    assert having == {"bn-scale", "fpgm", "grasp", "l1", "l2", "snip", "synflow", "taylor"}
    for name in having:
        options = {option.name: option.default for option in CRITERIA.options(name)}
        sums = name in ("grasp", "snip", "synflow", "taylor")
        assert options["aggregate"] == ("sum" if sums else "mean")


@pytest.mark.parametrize(("criterion", "norm"), [("l1", 1), ("l2", 2)])
def test_producers_are_aggregated_as_asked(criterion: str, norm: int) -> None:
    coupling = residual()
    tensors = random_tensors(coupling)
    norms = [
        np.linalg.norm(tensors[f"{name}.weight"].reshape(8, -1), norm, axis=1) for name in "ac"
    ]
    for how, expected in (("sum", np.sum), ("max", np.max), ("mean", np.mean)):
        found = score(f"{criterion}:aggregate={how}", coupling, tensors.__getitem__)
        np.testing.assert_allclose(found["g1"], [expected(norms, axis=0)], rtol=1e-5)
