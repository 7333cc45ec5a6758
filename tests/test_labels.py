"""Labels: fresh ranges, equalities, freezing, roles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphprune.labels import IN, OUT, Labels, Source


def test_labels_start_at_one_because_zero_is_frozen() -> None:
    labels = Labels()
    assert labels.fresh("w", 0, (3,)).tolist() == [1, 2, 3]
    assert labels.fresh("w", 1, (1, 2)).tolist() == [[4, 5]]
    assert labels.count == 6


def test_reserved_labels_come_first_and_have_no_source() -> None:
    labels = Labels(reserved=4)
    assert labels.fresh("w", 0, (2,)).tolist() == [5, 6]
    assert [labels.source(i) for i in (0, 4, 5, 6)] == [None, None, *[Source("w", 0)] * 2]


def test_every_label_knows_the_axis_it_was_made_for() -> None:
    labels = Labels()
    labels.fresh("a", 0, (2,))
    labels.fresh("b", 1, (3,))
    assert labels.sources == (Source("a", 0), Source("b", 1))
    assert [labels.source(i) for i in (1, 2, 3, 5)] == [Source("a", 0)] * 2 + [Source("b", 1)] * 2
    assert labels.source_index(np.array([0, 1, 2, 3, 5])).tolist() == [-1, 0, 0, 1, 1]


def test_without_equalities_everything_is_for_itself() -> None:
    labels = Labels()
    labels.fresh("a", 0, (3,))
    assert labels.solve().tolist() == [0, 1, 2, 3]


def test_classes_are_named_by_their_smallest_label() -> None:
    labels = Labels()
    a, b, c = (labels.fresh(name, 0, (2,)) for name in "abc")
    labels.equate(c, b, 0)
    labels.equate(b[:1], a[1:], 1)
    assert labels.solve().tolist() == [0, 1, 2, 2, 4, 2, 4]


def test_equating_broadcasts() -> None:
    labels = Labels()
    rows = labels.fresh("a", 0, (2, 3))
    labels.equate(rows, rows[:, :1], 0)
    assert labels.solve().tolist() == [0, 1, 1, 1, 4, 4, 4]


def test_equal_labels_add_nothing() -> None:
    labels = Labels()
    a = labels.fresh("a", 0, (3,))
    labels.equate(a, a, 0)
    assert labels.equalities == []


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    labels = Labels()
    with pytest.raises(ValueError, match="broadcast"):
        labels.equate(labels.fresh("a", 0, (3,)), labels.fresh("b", 0, (2,)), 0)


def test_whatever_equals_a_frozen_label_is_frozen() -> None:
    labels = Labels()
    a, b = labels.fresh("a", 0, (2,)), labels.fresh("b", 0, (2,))
    labels.equate(a, b, 0)
    labels.freeze(b[1:], 1, "an output")
    assert labels.solve().tolist() == [0, 1, 0, 1, 0]
    (freeze,) = labels.freezes
    assert (freeze.ids.tolist(), freeze.node, freeze.why) == ([4], 1, "an output")


def test_label_zero_freezes_what_it_meets() -> None:
    labels = Labels()
    a = labels.fresh("a", 0, (2,))
    labels.equate(a, np.array([0, 2]), 0)
    assert labels.solve().tolist() == [0, 0, 2]


def test_freezing_nothing_is_not_remembered() -> None:
    labels = Labels()
    labels.freeze(np.zeros(3, np.int64), 0, "all frozen already")
    assert labels.freezes == []


def test_roles_are_kept_by_label_and_zero_has_none() -> None:
    labels = Labels()
    a = labels.fresh("a", 0, (3,))
    labels.mark(a[:2], OUT)
    labels.mark(np.array([0, 3]), IN)
    assert labels.roles().tolist() == [0, OUT, OUT, IN]


def test_long_chains_of_equalities_are_one_class() -> None:
    labels = Labels()
    a = labels.fresh("a", 0, (5000,))
    labels.equate(a[1:], a[:-1], 0)
    assert np.unique(labels.solve()).tolist() == [0, 1]


def test_axes_in_another_order_are_not_taken_for_whole() -> None:
    labels = Labels()
    a, b = (labels.fresh(name, 0, (3,)) for name in "ab")
    labels.equate(a, b[[0, 2, 1]], 0)
    assert labels.solve().tolist() == [0, 1, 2, 3, 1, 3, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=8))
def test_classes_are_the_connected_components(ties: list[tuple[int, int, bool]]) -> None:
    """Whole axes and parts of them, tied in any order, as SciPy sees it."""
    labels = Labels()
    axes = [labels.fresh(str(i), 0, (4,)) for i in range(4)]
    left, right = [], []
    for one, other, whole in ties:
        pair = (axes[one], axes[other]) if whole else (axes[one][:2], axes[other][3:1:-1])
        labels.equate(*pair, 0)
        left.append(pair[0])
        right.append(pair[1])
    ids = [np.concatenate([np.zeros(1, np.int64), *side]) for side in (left, right)]
    graph = coo_array((np.ones(ids[0].size), tuple(ids)), shape=(labels.count,) * 2)
    _, component = connected_components(graph, directed=False)
    first = [int(np.flatnonzero(component == number)[0]) for number in component]
    assert labels.solve().tolist() == first
