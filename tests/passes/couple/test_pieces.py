"""No plan may empty a tensor."""

from __future__ import annotations

import numpy as np

from graphprune.groups import Layer
from graphprune.passes.couple import pieces
from tests.coupled import groups


def test_lines_are_the_units_along_the_narrowed_axis_once_each() -> None:
    layers = {
        "a": (Layer(np.array([[1, 2, 3]]), 1),),
        "b": (Layer(np.array([[3, 2, 1]]), 1),),
        "again": (Layer(np.array([[1, 2, 3]]), 1),),
        "rows": (Layer(np.array([[4, 5], [6, 7]]), 1),),
        "frozen": (Layer(np.array([0, 1]), 0),),
    }
    found = [line.tolist() for line in pieces.lines(layers, np.arange(10))]
    assert found == [[1, 2, 3], [1, 2, 3], [4, 5, 6, 7]]


def test_a_group_is_divided_where_a_piece_divides_it() -> None:
    divided = pieces.divide([np.array([[1, 2, 3, 4]])], [np.array([2, 3])])
    assert [matrix.tolist() for matrix in divided] == [[[1, 4]], [[2, 3]]]


def test_a_piece_that_holds_a_group_divides_nothing() -> None:
    matrices = [np.array([[1, 2]]), np.array([[3, 4, 5]])]
    divided = pieces.divide(matrices, [np.array([1, 2, 3])])
    assert [matrix.tolist() for matrix in divided] == [[[1, 2]], [[3, 4, 5]]]


def test_rows_are_divided_together() -> None:
    divided = pieces.divide([np.array([[1, 2, 3], [4, 5, 6]])], [np.array([1, 4])])
    assert [matrix.tolist() for matrix in divided] == [[[1], [4]], [[2, 3], [5, 6]]]


def test_one_row_of_several_is_enough() -> None:
    family = np.array([[1, 2], [3, 4]])
    assert list(pieces.ties([family], [np.array([1, 2])])) == []
    assert len(pieces.divide([family], [np.array([1, 2])])) == 1


def test_rows_that_a_piece_cuts_unevenly_are_tied() -> None:
    family = np.array([[1, 2, 3], [4, 5, 6]])
    ((left, right),) = pieces.ties([family], [np.array([1, 2, 4])])
    assert (left == family).all()
    assert (right == family[:1]).all()


def test_a_layer_of_its_own_behind_a_concat_keeps_a_filter() -> None:
    """Eight channels a group: the second group's come from both layers, six from the second."""
    text = groups("""
        input x: [1,3,4,4]
        param wa: [10,3,1,1]
        param wb: [6,3,1,1]
        param wg: [2,8,1,1]
        a = conv(x, wa)
        b = conv(x, wb)
        c = concat(a, b) {axis=1}
        g = conv(c, wg) {groups=2}
        return g
    """)
    assert text.startswith("g1[2] wa.0 wg.1\ng2[6] wa.0 wb.0 wg.1\n")
