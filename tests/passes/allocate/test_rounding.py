"""Rounded widths give channel extents that are multiples."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.passes.allocate import choices, step
from tests.networks import Net, chain, concat, two_rows, unlike


def test_without_rounding_every_width_is_a_choice() -> None:
    coupling = chain(5)
    assert choices(coupling, coupling.groups[0], 1).tolist() == [1, 2, 3, 4, 5]


def test_multiples_and_the_full_width() -> None:
    coupling = chain(20, 16)
    assert choices(coupling, coupling.groups[0], 8).tolist() == [8, 16, 20]
    assert choices(coupling, coupling.groups[1], 8).tolist() == [8, 16]


def test_a_group_without_a_smaller_multiple_keeps_its_width() -> None:
    coupling = chain(6)
    assert step(coupling, coupling.groups[0], 8) == 8
    assert choices(coupling, coupling.groups[0], 8).tolist() == [6]


def test_several_elements_a_unit_count_together() -> None:
    """Flattened 2 x 2 maps: four columns a channel, so the filters decide."""
    net = Net()
    x = net.value("x", (1, 3, 2, 2), kind="input")
    ids = net.group(16, "a.weight.0.out", "fc.1.in")
    a = net.conv(x, "a", 16, 1, ids)
    flat = np.repeat(ids, 4)
    net.node("reshape", (a,), "f", (1, 64), {1: flat})
    net.param("fc", (10, 64), {1: flat})
    coupling = net.coupling()
    assert step(coupling, coupling.groups[0], 8) == 8
    group = type(coupling.groups[0])("g1", coupling.groups[0].units, coupling.groups[0].members[1:])
    assert step(coupling, group, 8) == 2
    assert step(coupling, group, 6) == 3


def test_a_concat_axis_counts_only_what_the_group_contributes() -> None:
    coupling = concat(16, 12)
    assert [step(coupling, group, 8) for group in coupling] == [8, 8]


def test_rows_of_a_grouped_conv_are_rounded_where_they_are_wide_enough() -> None:
    wide, narrow = two_rows(16), two_rows(6)
    assert step(wide, wide.groups[0], 8) == 8
    # Six channels a row hold no multiple of 8, two rows together do.
    assert step(narrow, narrow.groups[0], 8) == 4


def test_axes_of_unequal_units_are_left_out() -> None:
    coupling = unlike()
    # a.weight holds one row a unit; b.weight seven for the first and one for each other.
    assert step(coupling, coupling.groups[0], 1) == 1
    assert step(coupling, coupling.groups[0], 4) == 4


@pytest.mark.parametrize("round_to", [2, 3, 8, 16])
def test_every_choice_but_the_full_one_is_a_multiple(round_to: int) -> None:
    coupling = chain(48, 50)
    for group in coupling:
        for width in choices(coupling, group, round_to):
            assert width % round_to == 0 or width == group.width
