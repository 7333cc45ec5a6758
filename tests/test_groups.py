"""Layers, groups, frozen axes and how they print."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.groups import Coupling, Frozen, Group, Layer, Member
from tests.networks import concat, two_rows

UNITS = np.arange(1, 9)


def test_a_line_of_units_has_no_rows() -> None:
    layer = Layer(UNITS.reshape(1, 8, 1, 1), 1)
    assert layer.rows == ()
    assert layer.rectangle().tolist() == [UNITS.tolist()]


def test_rows_are_all_other_axes_that_vary() -> None:
    layer = Layer(UNITS.reshape(1, 2, 1, 4), 3)
    assert layer.rows == (1,)
    assert layer.rectangle().tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    turned = Layer(UNITS.reshape(1, 2, 1, 4), 1)
    assert turned.rows == (3,)
    assert turned.rectangle().tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]


def test_the_line_is_the_first_row_along_the_narrowed_axis() -> None:
    assert Layer(UNITS.reshape(1, 8, 1), 1).line.tolist() == UNITS.tolist()
    assert Layer(UNITS.reshape(1, 2, 1, 4), 3).line.tolist() == [1, 2, 3, 4]
    assert Layer(UNITS.reshape(1, 2, 1, 4), 1).line.tolist() == [1, 5]


def test_losses_are_the_values_whose_shape_changes() -> None:
    coupling = concat()
    alive = coupling.everything()
    assert coupling.losses(alive) == {}
    alive[coupling.groups[0].units[0, :2]] = False
    names = coupling.graph.values
    changed = {n: coupling.shape(n, alive) for n in names if names[n].shape is not None}
    changed = {n: shape for n, shape in changed.items() if shape != names[n].shape}
    assert coupling.losses(alive) == changed and changed


def test_the_extent_counts_survivors_in_a_row() -> None:
    alive = np.ones(9, np.bool_)
    alive[[2, 5]] = False
    assert Layer(UNITS.reshape(2, 4), 1).extent(alive) == 3
    assert Layer(np.repeat(UNITS, 3), 0).extent(alive) == 18


def test_frozen_elements_always_count() -> None:
    alive = np.zeros(9, np.bool_)
    alive[0] = True
    assert Layer(np.array([0, 0, 1, 2]), 0).extent(alive) == 2


def test_a_group_prints_its_size_and_members() -> None:
    members = (Member("wa", 0, "out"), Member("wb", 1, "in"))
    assert str(Group("g1", UNITS[None], members)) == "g1[8] wa.0 wb.1"
    assert str(Group("g2", UNITS.reshape(2, 4), members[:1])) == "g2[2x4] wa.0"
    loose = Group("g3", UNITS[None], members[1:], ("layer norm 'n'", "mean over channels 'm'"))
    assert str(loose) == "g3[8] wb.1 ~ layer norm 'n' ~ mean over channels 'm'"
    assert not loose.exact
    assert (loose.width, loose.rows) == (8, 1)


def test_a_frozen_axis_prints_the_way_to_its_reason() -> None:
    frozen = Frozen("w", 1, 8, "in", ("add1", "conv2", "'x' is an input"), 8)
    assert str(frozen) == "frozen w.1[8] add1 -> conv2 -> 'x' is an input"
    part = Frozen("w", 1, 8, "in", ("'x' is an input",), 3)
    assert str(part) == "frozen w.1[3 of 8] 'x' is an input"


def test_a_coupling_prints_groups_and_is_iterated_over_them() -> None:
    coupling = two_rows(4)
    assert coupling.text() == "g1[2x4] a.weight.0 grouped.weight.1"
    assert [group.name for group in coupling] == ["g1"]


def test_groups_are_found_by_name() -> None:
    coupling = concat(4, 6)
    assert coupling.group("g2").width == 6
    with pytest.raises(KeyError, match="g3"):
        coupling.group("g3")


def test_shapes_shrink_by_the_dead_units() -> None:
    coupling: Coupling = concat(4, 6)
    alive = coupling.everything()
    assert alive.all()
    assert alive.size == 11
    alive[[1, 2, 10]] = False
    assert coupling.shape("cat", alive) == (1, 10, 4, 4)
    assert coupling.shape("c.weight", alive) == (5, 10, 1, 1)
    assert coupling.shape("x", alive) == (1, 3, 4, 4)
