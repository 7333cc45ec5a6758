"""Reshapes: which axes map onto which, and which of several is narrowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.groups import Layer
from graphprune.passes.couple import views
from tests.coupled import coupled

Spans = list[tuple[list[int], list[int]]]


def spans(old: tuple[int, ...], new: tuple[int, ...]) -> Spans:
    return [(list(a), list(b)) for a, b in views.blocks(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((2, 3), (2, 3), [([0], [0]), ([1], [1])]),
        ((2, 3, 4), (2, 12), [([0], [0]), ([1, 2], [1])]),
        ((2, 12), (2, 3, 4), [([0], [0]), ([1], [1, 2])]),
        ((6, 4), (4, 6), [([0, 1], [0, 1])]),
        ((2, 12, 5), (2, 3, 4, 5), [([0], [0]), ([1], [1, 2]), ([2], [3])]),
        ((2, 3), (2, 3, 1), [([0], [0]), ([1], [1]), ([], [2])]),
        ((2, 1, 3), (2, 3), [([0], [0]), ([1, 2], [1])]),
        ((8,), (2, 2, 2), [([0], [0, 1, 2])]),
    ],
)
def test_runs_of_axes(old: tuple[int, ...], new: tuple[int, ...], expected: Spans) -> None:
    assert spans(old, new) == expected


extents = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(extents, st.randoms(use_true_random=False))
def test_runs_cover_both_shapes_and_hold_as_many_elements(
    old: list[int], random: np.random.Generator
) -> None:
    new: list[int] = []
    for size in old:  # merge with the axis before, split, or keep
        kind = random.choice(["merge", "split", "keep"])
        if kind == "merge" and new:
            new[-1] *= size
        else:
            new += [size, 1] if kind == "split" else [size]
    found = list(views.blocks(tuple(old), tuple(new)))
    assert [i for a, _ in found for i in a] == list(range(len(old)))
    assert [j for _, b in found for j in b] == list(range(len(new)))
    for a, b in found:
        assert np.prod([old[i] for i in a]) == np.prod([new[j] for j in b])


def test_axes_that_do_not_vary_collapse_all_but_one() -> None:
    ids = np.broadcast_to(np.arange(3).reshape(3, 1, 1), (3, 2, 4))
    assert views.collapse(ids).shape == (3, 1, 1)
    assert views.collapse(ids, but=2).shape == (3, 1, 4)
    assert views.varies(ids, 0)
    assert not views.varies(ids, 1)


def test_axes_come_and_go_around_a_layer() -> None:
    layer = Layer(np.arange(6).reshape(2, 1, 3), 2)
    wider = views.insert_axes(layer, 1, 2)
    assert (wider.ids.shape, wider.axis) == ((2, 1, 1, 3), 3)
    slim = views.drop_axes(layer, {1})
    assert (slim.ids.shape, slim.axis) == ((2, 3), 1)
    high = views.align(layer, 5)
    assert (high.ids.shape, high.axis) == ((1, 1, 2, 1, 3), 4)


SPLIT = """
    input x: [2,3]
    param wa: [3,SIZE]
    a = contract(x, wa) {equation="nk,kz->nz"}
    r = reshape(a) {shape=[2,MIDDLE]}
    y = reduce.sum(r) {axes=[AXES]}
    return y
"""


@pytest.mark.parametrize(
    ("middle", "rows", "width"),
    [("3,5", 3, 5), ("5,3", 1, 5), ("4,4", 1, 4), ("2,3,5", 6, 5), ("2,5,3", 2, 5)],
)
def test_the_longest_axis_is_narrowed_and_those_before_it_are_rows(
    middle: str, rows: int, width: int
) -> None:
    sizes = [int(n) for n in middle.split(",")]
    text = SPLIT.replace("MIDDLE", middle).replace("SIZE", str(int(np.prod(sizes))))
    axes = ",".join(str(i + 1) for i in range(len(sizes)))
    (group,) = coupled(text.replace("AXES", axes)).groups
    assert (group.rows, group.width) == (rows, width)


def test_where_the_longest_axis_is_an_output_another_is_narrowed() -> None:
    text = SPLIT.replace("MIDDLE", "3,5").replace("SIZE", "15").replace("AXES", "1")
    (group,) = coupled(text).groups
    assert (group.rows, group.width) == (1, 3)


def test_merging_with_an_axis_before_makes_rows_of_it() -> None:
    (layer,) = coupled("""
        input x: [2,4,3]
        param wa: [3,5]
        param wb: [20,6]
        a = contract(x, wa) {equation="nbk,kz->nbz"}
        f = reshape(a) {shape=[2,20]}
        y = contract(f, wb) {equation="nk,kz->nz"}
        return y
    """).layers["wb"]
    assert layer.ids.ravel().tolist() == [1, 2, 3, 4, 5] * 4
