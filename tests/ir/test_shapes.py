"""Result shapes agree with NumPy, and operands that do not fit are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.ir import Node
from graphprune.ir.graph import Attr, Shape
from graphprune.ir.ops import OPS, is_canonical
from graphprune.ir.shapes import RULES, infer, ranges
from graphprune.ir.text import parse

CONCRETE = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def shapes(op: str, *operands: Shape, **attrs: Attr) -> list[Shape]:
    names = tuple(f"x{i}" for i in range(len(operands)))
    outputs = ("y", "y2") if "sizes" in attrs or "layout" in attrs else ("y",)
    return infer(Node(op, names, outputs, attrs), operands)


def test_every_op_but_opaque_has_a_rule() -> None:
    assert set(RULES) == set(OPS) - {"opaque"}
    assert is_canonical("pointwise.add") and is_canonical("conv")
    assert not is_canonical("add") and not is_canonical("")


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("contract(a, b) {equation=\"nchw,cd->nhwd\"}", (2, 4, 6, 5)),
        ("batch_norm(a, v, v, v, v)", (2, 3, 4, 6)),
        ("layer_norm(a, l) {axes=[3]}", (2, 3, 4, 6)),
        ("lrn(a)", (2, 3, 4, 6)),
        ("softmax(a) {axes=[1]}", (2, 3, 4, 6)),
        ("reshape(a) {shape=[2,36,2]}", (2, 36, 2)),
        ("resize(a) {shape=[2,3,8,9]}", (2, 3, 8, 9)),
        ("transpose(a) {perm=[0,2,3,1]}", (2, 4, 6, 3)),
        ("gather(a, i) {axis=1}", (2, 7, 4, 6)),
        ("gather(a, s) {axis=1}", (2, 4, 6)),
        ("lookup(b, i) {axis=0}", (7, 5)),
        ("scatter(a, k) {starts=[1,0,2,0]}", (2, 3, 4, 6)),
        ("concat(a, a, a) {axis=1}", (2, 9, 4, 6)),
        ("expand(v) {shape=[4,1]}", (4, 3)),
        ("tile(b) {repeats=[1,4]}", (3, 20)),
        ("pad(b) {mode=\"constant\", pads=[1,0,2,-1]}", (6, 4)),
        ("reduce.mean(a) {axes=[2,3], keepdims=true}", (2, 3, 1, 1)),
        ("reduce.mean(a) {axes=[2,3], keepdims=false}", (2, 3)),
        ("depth_to_space(c) {block=2}", (1, 2, 6, 10)),
        ("space_to_depth(a) {block=2}", (2, 12, 2, 3)),
        ("quantize(a, v, v) {axis=1}", (2, 3, 4, 6)),
        ("dequantize(a, s) {axis=-1}", (2, 3, 4, 6)),
        ("shuffle(v) {axis=0, perm=[2,0,1]}", (3,)),
        ("scan(a) {axes=[1]}", (2, 3, 4, 6)),
    ],
)  # fmt: skip
def test_results(line: str, shape: Shape) -> None:
    graph = parse(
        f"""
        input a: [2,3,4,6]
        input k: [1,3,2,6]
        input c: [1,8,3,5]
        param b: [3,5]
        param v: [3]
        param l: [6]
        input i: int64[7]
        input s: int64[]
        y = {line}
        return y
        """
    )
    assert graph.values["y"].shape == shape


@pytest.mark.parametrize(
    ("op", "operands", "attrs", "why"),
    [
        ("pointwise.add", [(2, 3), (2,)], {}, "broadcast"),
        ("contract", [(2, 3), (4, 5)], {"equation": "ij,jk->ik"}, "extents 3 and 4 meet"),
        ("contract", [(2, 1), (4, 5)], {"equation": "ij,jk->ik"}, "extents 1 and 4 meet"),
        ("contract", [(2, 3), (3,)], {"equation": "ij,jk->ik"}, "'jk' does not name the axes"),
        ("contract", [(2, 3), (3,)], {"equation": "ij,j->iz"}, "lacks an operand"),
        ("batch_norm", [(1, 4, 2), (4,), (3,)], {}, "4 channels with a parameter of shape [3]"),
        ("layer_norm", [(2, 4), (3,)], {}, "broadcast"),
        ("layer_norm", [(4,), (2, 4)], {}, "with a parameter of shape [2, 4]"),
        ("quantize", [(2, 4), (3,)], {"axis": 1}, "with a scale of shape [3]"),
        ("quantize", [(2, 4), (4,)], {"axis": -1}, "with a scale of shape [4]"),
        ("reshape", [(2, 3)], {"shape": (4,)}, "reshape of [2, 3] to [4]"),
        ("reshape", [(2, 3)], {"shape": (-2, -3)}, "would have the shape [[-2, -3]]"),
        ("transpose", [(2, 3)], {"perm": (0, 0)}, "[0, 0] does not permute 2 axes"),
        ("gather", [(2, 3), (1,)], {"axis": 2}, "axis 2 of [2, 3]"),
        ("scatter", [(4,), (2,)], {"starts": (3,)}, "a block of [2] in [4] that ends at [5]"),
        ("concat", [(2, 3), (2, 4)], {"axis": 0}, "concat of [2, 3] and [2, 4] along axis 0"),
        ("split", [(4,)], {"axis": 0, "sizes": (3, 2)}, "split of an extent of 4 into [3, 2]"),
        ("split", [(4,)], {"axis": 0, "sizes": (5, -1)}, "split of an extent of 4 into [5, -1]"),
        ("tile", [(4, 2)], {"repeats": (2,)}, "zip()"),
        ("pad", [(4,)], {"pads": (1,)}, "1 pads for 1 axes"),
        ("pad", [(4,)], {"pads": (-3, -3)}, "would have the shape [[-2]]"),
        ("depth_to_space", [(1, 6, 2, 2)], {"block": 2}, "6 channels in blocks of 2 x 2"),
        ("depth_to_space", [(1, 6, 2, 2)], {}, "lacks an operand, axis or attribute"),
        ("space_to_depth", [(1, 6, 3, 2)], {"block": 2}, "3 x 2 pixels in blocks of 2 x 2"),
        ("lstm", [(5, 1, 3), (1, 8, 4), (1, 8, 2)], {}, "with weights [1, 8, 4] and [1, 8, 2]"),
        ("conv", [(1, 4, 2)], {}, "lacks an operand"),
        ("nothing", [(1,)], {}, "no shape rule for 'nothing'"),
    ],
)
def test_what_does_not_fit_is_refused(
    op: str, operands: list[Shape], attrs: dict[str, Attr], why: str
) -> None:
    with pytest.raises(ValueError) as caught:
        shapes(op, *operands, **attrs)
    assert why in str(caught.value)


@given(st.data(), CONCRETE)
def test_slices_are_numpy_s(data: st.DataObject, shape: Shape) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(-7, 7) | st.just(1 << 62))
    start = data.draw(st.integers(-shape[axis], 7))
    step = data.draw(st.sampled_from([1, 2, 3, -1, -2]))
    attrs: dict[str, Attr] = {"starts": (start,), "ends": (end,), "axes": (axis,), "steps": (step,)}
    array = np.arange(np.prod(shape)).reshape(shape)
    index: list[slice] = [slice(None)] * len(shape)
    index[axis] = slice(start, end, step)
    wanted = array[tuple(index)]
    assert shapes("slice", shape, **attrs) == [wanted.shape]
    node = Node("slice", ("x",), ("y",), attrs)
    assert np.array_equal(array[ranges(node, shape)], wanted)


def test_a_reversed_slice_reaches_the_first_element() -> None:
    whole: dict[str, Attr] = {"starts": (-1,), "ends": (-(1 << 63),), "axes": (0,), "steps": (-1,)}
    assert shapes("slice", (4,), **whole) == [(4,)]
    # Unlike NumPy, ONNX moves a start before the first element to the first element.
    assert shapes("slice", (4,), **{**whole, "starts": (-9,)}) == [(1,)]


@given(CONCRETE, st.data())
def test_broadcasting_is_numpy_s(shape: Shape, data: st.DataObject) -> None:
    other = tuple(data.draw(st.sampled_from([1, n])) for n in shape)[data.draw(st.integers(0, 2)) :]
    wanted = np.zeros(shape) + np.zeros(other)
    assert shapes("pointwise.add", other, shape) == [wanted.shape]
    assert shapes("expand", other, shape=shape) == [np.broadcast_to(np.zeros(other), shape).shape]


@given(st.permutations("abcd"), st.sets(st.sampled_from("abcd"), min_size=1), st.data())
def test_contractions_are_numpy_s(order: list[str], left: set[str], data: st.DataObject) -> None:
    sizes = dict(zip("abcde", (2, 3, 4, 5, 6), strict=True))
    a = "".join(c for c in order if c in left)
    b = "".join(c for c in reversed(order) if c not in left or data.draw(st.booleans())) + "e"
    both = sorted(set(a + b))
    out = "".join(data.draw(st.permutations(both)))[data.draw(st.integers(0, 2)) :]
    x, y = (tuple(sizes[c] for c in word) for word in (a, b))
    wanted = np.einsum(f"{a},{b}->{out}", np.zeros(x), np.zeros(y))
    assert shapes("contract", x, y, equation=f"{a},{b}->{out}") == [wanted.shape]


def test_batch_letters_broadcast() -> None:
    equation = "byk,bkz->byz"
    assert shapes("contract", (1, 2, 3), (7, 3, 4), equation=equation) == [(7, 2, 4)]
    assert shapes("contract", (7, 2, 3), (1, 3, 4), equation=equation) == [(7, 2, 4)]


@pytest.mark.parametrize(("op", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
@pytest.mark.parametrize("layout", [0, 1])
def test_recurrent_results(op: str, gates: int, layout: int) -> None:
    x = (2, 5, 3) if layout else (5, 2, 3)
    found = shapes(op, x, (1, gates * 4, 3), (1, gates * 4, 4), layout=layout)
    assert found == ([(2, 5, 1, 4), (2, 1, 4)] if layout else [(5, 1, 2, 4), (1, 2, 4)])
