"""Cutting arrays: the same elements survive as when they are picked one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from graphprune.groups import Layer
from graphprune.passes.narrow.cuts import _BLOCK, _PIECE, Cut, cuts, take, take_rows
from tests.networks import chain, two_rows
from tests.onnxtext import cut as narrowed
from tests.onnxtext import dims, model, prove, reference


def plain(axis: int, *kept: int) -> Cut:
    return Cut(axis, (), np.array([kept], np.int64), ())


@given(st.data())
def test_plain_cuts_are_numpy_s(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    array = np.arange(np.prod(shape)).reshape(shape)
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    wanted, expected = [], array
    for axis in sorted(axes):
        kept = sorted(data.draw(st.sets(st.integers(0, shape[axis] - 1), min_size=1)))
        wanted.append(plain(axis, *kept))
        expected = np.take(expected, kept, axis)
    assert np.array_equal(take(array, tuple(wanted)), expected)
    rows = take_rows(lambda a, b: array[a:b], shape, tuple(wanted))
    assert np.array_equal(rows, expected)


@given(st.permutations(range(3)), st.data())
def test_cuts_by_rows_are_picked_row_by_row(axes: list[int], data: st.DataObject) -> None:
    """Rows along one or two axes, in any order with the narrowed axis."""
    shape = (3, 4, 5)
    axis, rows = axes[0], tuple(sorted(axes[1 : 1 + data.draw(st.integers(1, 2))]))
    left = data.draw(st.integers(1, shape[axis]))
    count = int(np.prod([shape[r] for r in rows]))
    orders = [data.draw(st.permutations(range(shape[axis]))) for _ in range(count)]
    kept = np.sort(np.array([order[:left] for order in orders]), axis=1)
    array = np.arange(60).reshape(shape)
    found = take(array, (Cut(axis, rows, kept, tuple(shape[r] for r in rows)),))
    assert found.shape[axis] == left
    for index in np.ndindex(found.shape):
        row = np.ravel_multi_index([index[r] for r in rows], [shape[r] for r in rows])
        whole = list(index)
        whole[axis] = kept[row, index[axis]]
        assert found[index] == array[tuple(whole)]


def test_a_large_tensor_is_read_in_blocks() -> None:
    asked: list[tuple[int, int]] = []
    width = _BLOCK // 4

    def read(start: int, stop: int) -> NDArray[np.int64]:
        asked.append((start, stop))
        return np.broadcast_to(np.arange(start, stop)[:, None], (stop - start, width))

    found = take_rows(read, (10, width), (plain(0, 1, 5, 9), plain(1, 0, 3)))
    assert found.tolist() == [[1, 1], [5, 5], [9, 9]]
    assert asked == [(0, 4), (4, 8), (8, 10)]
    take_rows(read, (10, width), (plain(0, 9),))
    assert asked[3:] == [(8, 10)]  # blocks of which nothing survives are not read


def test_elements_that_are_not_aligned_in_their_file() -> None:
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    array = np.frombuffer(b"\0" + whole.tobytes(), np.float32, offset=1).reshape(4, 6)
    assert not array.flags.aligned
    for wanted in ((plain(0, 0, 3),), (plain(1, 2, 4),), (plain(0, 1, 2), plain(1, 0, 5))):
        assert np.array_equal(take(array, wanted), take(whole, wanted))


def test_a_tensor_is_cut_along_several_axes_in_pieces() -> None:
    array = np.arange(5 * _PIECE).reshape(5, 2, -1)
    wanted = (plain(0, 0, 2, 4), plain(1, 1), plain(2, 3, _PIECE // 2 - 1))
    expected = array[np.ix_([0, 2, 4], [1], [3, _PIECE // 2 - 1])]
    assert np.array_equal(take(array, wanted), expected)


@pytest.mark.parametrize("first", [[0, 1, 1, 3], [0, 1, 2, 3, 3], [0, 1, 2, 3]])
def test_elements_are_taken_again_where_an_axis_grows(first: list[int]) -> None:
    whole = np.arange(4 * 3 * 5).reshape(4, 3, 5)
    wanted = (Cut(0, (), np.array([first]), ()), Cut(2, (), np.array([[0, 2, 2]]), ()))
    np.testing.assert_array_equal(take(whole, wanted), whole[np.ix_(first, range(3), [0, 2, 2])])
    np.testing.assert_array_equal(take(whole, wanted[:1]), whole[first])


def test_units_of_which_there_are_several_are_cuts_too() -> None:
    coupling = chain(4, 3)
    copies = coupling.everything().astype(np.int64)
    copies[coupling.groups[0].units[0, -1]] = 3
    (cut,) = cuts(coupling, "c0.weight", copies)
    assert (cut.axis, cut.kept.tolist()) == (0, [[0, 1, 2, 3, 3, 3]])


def test_results_are_contiguous_copies() -> None:
    array = np.arange(24).reshape(4, 6)
    for wanted in ((plain(0, 0, 1, 2),), (plain(1, 2),)):
        found = take(array, wanted)
        assert found.flags.c_contiguous and not np.shares_memory(found, array)


def test_axes_that_lose_nothing_are_left_out() -> None:
    coupling = chain(8, 5)
    alive = coupling.everything()
    assert cuts(coupling, "c1.weight", alive) == () and not coupling.losses(alive)
    alive[coupling.groups[1].units[0, :2]] = False
    (cut,) = cuts(coupling, "c1.weight", alive)
    assert (cut.axis, cut.rows, cut.kept.tolist()) == (0, (), [[2, 3, 4]])
    assert {"c1.weight", "c1.bias", "c2.weight"} <= set(coupling.losses(alive))
    assert "c0.weight" not in set(coupling.losses(alive))


def test_rows_that_agree_are_no_rows() -> None:
    coupling = two_rows(4)
    alive = coupling.everything()
    alive[coupling.groups[0].units[:, 1]] = False
    (cut,) = [c for c in cuts(coupling, "grouped.weight", alive) if c.axis == 1]
    assert cut.rows == () and cut.kept.tolist() == [[0, 2, 3]]
    alive[:] = True
    alive[coupling.groups[0].units[0, 1]] = alive[coupling.groups[0].units[1, 2]] = False
    (cut,) = [c for c in cuts(coupling, "grouped.weight", alive) if c.axis == 1]
    assert cut.rows == (0,) and {tuple(line) for line in cut.kept.tolist()} == {
        (0, 2, 3),
        (0, 1, 3),
    }


def test_cuts_by_rows_come_before_the_rows_are_cut() -> None:
    coupling = two_rows(4)
    by_rows = coupling.layers["grouped.weight"][0]
    extent = by_rows.ids.shape[0]
    own = Layer(np.full((extent, 1, 1, 1), by_rows.ids.max(), np.int64), 0)
    coupling = replace(coupling, layers={"p": (own, by_rows)})
    alive = coupling.everything()
    alive[coupling.groups[0].units[0, 1]] = alive[coupling.groups[0].units[1, 3]] = False
    found = cuts(coupling, "p", alive)
    assert [bool(c.rows) for c in found] == sorted((bool(c.rows) for c in found), reverse=True)


@pytest.mark.parametrize(
    "other", [plain(0, 1), plain(1, 1, 2), Cut(1, (0,), np.ones((2, 1), np.int64), (2,))]
)
def test_keys_tell_cuts_apart(other: Cut) -> None:
    one = plain(1, 1)
    assert one.key == plain(1, 1).key != other.key


MLP = """
net ({kind}[N,8] x) => ({kind}[N,5] y) <{kind}[8,12] w, {kind}[12] b, {kind}[12,5] f> {{
  a = MatMul(x, w)
  n = Add(a, b)
  r = Relu(n)
  y = MatMul(r, f)
}}
"""


@pytest.mark.parametrize("kind", ["float16", "double", "float"])
def test_element_types(kind: str) -> None:
    proto = model(MLP.format(kind=kind))
    case = prove(proto)
    assert [t.data_type for t in case.proto.graph.initializer] == [
        t.data_type for t in proto.graph.initializer
    ]


def test_bfloat16() -> None:
    """No engine here runs it; ONNX's evaluator does."""
    import ml_dtypes

    case = narrowed(model(MLP.format(kind="bfloat16")))
    feed = {"x": np.random.default_rng(0).standard_normal((3, 8)).astype(ml_dtypes.bfloat16)}
    assert reference(case, feed) < 8e-2
    assert dims(case.proto, "w") == [8, 6]
    found = numpy_helper.to_array(case.proto.graph.initializer[0])
    kept = next(x.ids.ravel() for x in case.coupling.layers["w"] if x.axis == 1)
    whole = case.lowered.model.array("w")
    assert found.dtype == whole.dtype and np.array_equal(found, whole[:, case.alive[kept]])


@pytest.mark.parametrize("kind", ["int4", "uint4"])
def test_four_bit_weights(kind: str) -> None:
    """Two elements share a byte, also where the narrowed number of them is odd."""
    proto = model(
        f"""
        net (float[N,8] x) => (float[N,5] y)
        <{kind}[8,14] w, float[14] w_scale, float[14,5] f> {{
          wd = DequantizeLinear<axis = 1>(w, w_scale)
          a = MatMul(x, wd)
          r = Relu(a)
          y = MatMul(r, f)
        }}
        """,
        opset=21,
        ir=10,
    )
    case = prove(proto)
    assert dims(case.proto, "w") == [8, 7]
    assert len(next(t for t in case.proto.graph.initializer if t.name == "w").raw_data) == 28
