"""New channels stand right behind the last old one of their group, wherever that lies."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.copies import copies_of, counted, grown, is_new, marked, repeated
from graphprune.groups import Coupling, Ids
from tests.coupled import coupled

CONCAT = """
    input x: [1,1,2,2]
    param wa: [3,1,1,1]
    param wb: [2,1,1,1]
    param wc: [1,5,1,1]
    param wd: [1,20]
    a: [1,3,2,2] = conv(x, wa)
    b: [1,2,2,2] = conv(x, wb)
    c: [1,5,2,2] = concat(a, b) {axis=1}
    d: [1,1,2,2] = conv(c, wc)
    e: [1,20] = reshape(c) {shape=[1,20]}
    f: [1,1] = contract(e, wd) {equation="nk,mk->nm"}
    return d, f
"""


def line(coupling: Coupling, name: str, axis: int) -> Ids:
    return next(layer.line for layer in coupling.layers[name] if layer.axis == axis)


def rebuilt(coupling: Coupling, name: str, axis: int, **widths: int) -> list[int]:
    units = line(coupling, name, axis)
    return list(marked(units, copies_of(coupling, widths)[units]))


@pytest.fixture(name="concat", scope="module")
def _concat() -> Coupling:
    return coupled(CONCAT)


def test_a_layer_grows_at_its_end(concat: Coupling) -> None:
    assert rebuilt(concat, "wa", 0, g1=5) == [0, 1, 2, -1, -1]


def test_the_first_channels_stay_where_it_shrinks(concat: Coupling) -> None:
    assert rebuilt(concat, "wa", 0, g1=2) == [0, 1]


def test_in_the_middle_of_an_axis_that_several_groups_make_up(concat: Coupling) -> None:
    assert rebuilt(concat, "wc", 1, g1=4) == [0, 1, 2, -1, 3, 4]
    assert rebuilt(concat, "wc", 1, g1=1, g2=4) == [0, 3, 4, -1, -1]


def test_with_all_places_of_a_feature_map_that_was_flattened(concat: Coupling) -> None:
    assert rebuilt(concat, "wd", 1, g1=4) == [*range(12), *[-1] * 4, *range(12, 20)]
    units = line(concat, "wd", 1)
    copies = copies_of(concat, {"g1": 5})[units]
    assert repeated(units, copies).tolist() == [*range(8), *[*range(8, 12)] * 3, *range(12, 20)]


def test_the_shapes_follow(concat: Coupling) -> None:
    copies = copies_of(concat, {"g1": 5, "g2": 1})
    assert concat.shape("c", copies) == (1, 6, 2, 2)
    assert concat.shape("e", copies) == (1, 24)
    assert grown(concat, copies) == ("g1",)


def test_a_plan_tells_the_copies_again(concat: Coupling) -> None:
    copies = copies_of(concat, {"g1": 5, "g2": 4})
    for name, axis in (("wa", 0), ("wc", 1), ("wd", 1)):
        units = line(concat, name, axis)
        found = counted(units, marked(units, copies[units]))
        assert {unit: copies[unit] for unit in found} == found
        assert set(found) == {unit for unit in units.tolist() if copies[unit] > 1}


@pytest.mark.parametrize(
    ("index", "why"),
    [([-1, 0, 1, 2], "before any old one"), ([*range(20), -1], "1 new elements are no whole")],
)
def test_what_makes_no_whole_channels_is_refused(
    concat: Coupling, index: list[int], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        counted(line(concat, "wd", 1), np.array(index))


def test_new_elements_are_those_that_come_again() -> None:
    assert is_new(np.array([0, 1, 1, 2, 1])).tolist() == [False, False, True, False, True]


def test_a_width_needs_a_group_and_a_channel(concat: Coupling) -> None:
    with pytest.raises(ValueError, match="there is no group g9"):
        copies_of(concat, {"g9": 2})
    with pytest.raises(ValueError, match="g1 would have 0 channels"):
        copies_of(concat, {"g1": 0})
