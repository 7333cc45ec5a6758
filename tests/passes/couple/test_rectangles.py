"""Rows that lose equally many: kept where they agree, bundled or tied where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.groups import Ids
from graphprune.passes.couple.rectangles import resolve

CLASSES = np.arange(100)


def matrix(*rows: list[int]) -> Ids:
    return np.array(rows)


def resolved(*partitions: Ids) -> tuple[list[list[list[int]]], list[list[int]]]:
    """Families, and what is tied, as sorted lists of classes."""
    found = resolve(partitions, CLASSES)
    ties = []
    for left, right in found.ties:
        pairs = np.stack(np.broadcast_arrays(left, right)).reshape(2, -1).T
        ties += [sorted(set(pair)) for pair in pairs.tolist() if len(set(pair)) > 1]
    return [f.tolist() for f in found.families], sorted(ties)


def test_a_matrix_of_different_classes_is_a_family() -> None:
    assert resolved(matrix([1, 2, 3], [4, 5, 6])) == ([[[1, 2, 3], [4, 5, 6]]], [])


def test_equal_rows_ask_for_nothing() -> None:
    assert resolved(matrix([1, 2], [1, 2])) == ([], [])


def test_frozen_columns_and_those_of_one_class_ask_for_nothing() -> None:
    assert resolved(matrix([1, 0, 7, 2], [3, 0, 7, 4])) == ([[[1, 2], [3, 4]]], [])


def test_columns_that_stand_there_as_often_are_one_demand() -> None:
    assert resolved(matrix([1, 1, 2, 2], [3, 3, 4, 4])) == ([[[1, 2], [3, 4]]], [])


def test_columns_that_stand_there_more_often_are_a_demand_of_their_own() -> None:
    """Two elements of one row are not balanced by one element of the other."""
    found = resolved(matrix([1, 1, 2, 2, 5, 6], [3, 3, 4, 4, 7, 8]))
    assert found == ([[[5, 6], [7, 8]], [[1, 2], [3, 4]]], [])


def test_the_same_classes_with_other_weights_are_demands_on_each_other() -> None:
    """A row holds 1 twice and 2 once, the other the other way round: both go or none."""
    families, ties = resolved(matrix([1, 2, 1], [2, 1, 2]))
    assert (families, ties) == ([[[1], [2]]], [])


def test_the_same_rows_twice_are_one_family() -> None:
    assert resolved(matrix([1, 2], [3, 4]), matrix([3, 4], [1, 2])) == ([[[1, 2], [3, 4]]], [])


def test_families_that_share_a_row_are_joined() -> None:
    one, other = matrix([1, 2], [3, 4]), matrix([3, 4], [5, 6])
    assert resolved(one, other) == ([[[1, 2], [3, 4], [5, 6]]], [])


def test_rows_made_of_shorter_rows_follow_from_them() -> None:
    """Packed attention: three projections of two heads each."""
    heads = matrix(*[[4 * i + j for j in range(1, 5)] for i in range(6)])
    projections = heads.reshape(3, 8)
    families, ties = resolved(projections, heads)
    assert families == [heads.tolist()]
    assert ties == []


def test_a_frozen_class_in_one_row_ties_the_columns() -> None:
    assert resolved(matrix([1, 0], [3, 4])) == ([], [[0, 4], [1, 3]])


def test_a_class_twice_in_a_row_ties_the_columns() -> None:
    assert resolved(matrix([1, 1, 2], [3, 4, 5]))[1] == [[1, 3], [1, 4], [2, 5]]


def test_two_families_over_the_same_classes_fall_into_balanced_bundles() -> None:
    """A shuffle between two grouped convolutions (König's theorem)."""
    rows = matrix([1, 2, 3, 4], [5, 6, 7, 8])
    crossed = matrix([1, 3, 5, 7], [2, 4, 6, 8])
    families, ties = resolved(rows, crossed)
    assert families == []
    bundles = [sorted(pair) for pair in ties]
    assert len(bundles) == 4
    for bundle in bundles:
        assert sorted((rows == u).any(axis=1).argmax() for u in bundle) == [0, 1]
        assert sorted((crossed == u).any(axis=1).argmax() for u in bundle) == [0, 1]


def test_shapes_that_do_not_fit_each_other_are_tied() -> None:
    labels = np.arange(1, 13)
    families, ties = resolved(labels.reshape(2, 6), labels.reshape(3, 4))
    assert families == []
    assert {unit for pair in ties for unit in pair} == set(range(1, 13))


def settle(partitions: list[Ids], count: int) -> tuple[Ids, tuple[Ids, ...]]:
    """Classes and families once nothing is left to tie."""
    classes = np.arange(count)
    while True:
        found = resolve(partitions, classes)
        if not found.ties:
            return classes, found.families
        for left, right in found.ties:
            pairs = np.stack(np.broadcast_arrays(left, right)).reshape(2, -1).T
            for pair in pairs:
                low, high = np.sort(classes[pair])
                classes[classes == high] = low


@pytest.mark.parametrize("seed", range(30))
def test_once_settled_any_plan_leaves_every_partition_rectangular(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [(2, 12), (3, 8), (4, 6), (6, 4)]
    chosen = [shapes[i] for i in rng.integers(0, 4, rng.integers(1, 4))]
    partitions = []
    for shape in chosen:
        labels = np.arange(1, 25) if rng.random() < 0.5 else rng.permutation(np.arange(1, 25))
        partitions.append(labels.reshape(shape))
    classes, families = settle(partitions, 25)
    alive = rng.random(25) < 0.5
    for family in families:
        kept = rng.integers(1, family.shape[1] + 1)
        for row in family:
            alive[row] = False
            alive[rng.permutation(row)[:kept]] = True
    for partition in partitions:
        counts = alive[classes[partition]].sum(axis=1)
        assert (counts == counts[0]).all()
