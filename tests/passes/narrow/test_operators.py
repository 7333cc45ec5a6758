"""Every respelling rule, in the old attribute form and the new operand form.

Each model is narrowed to random channels, must equal the masked original in onnxruntime, and
must spell the operator as expected.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.onnxtext import attribute, dims, maker, model, operand, prove

NEWEST = 22  # a recent operator set that every onnxruntime in use knows


def net(body: str, inits: str, result: str = "float[2,5,8,8]", opset: int = 17) -> onnx.ModelProto:
    """A convolution of 3 to 12 channels, some operators, a convolution or product to 5."""
    return model(
        f"""
        net (float[2,3,8,8] x) => ({result} y) <float[12,3,3,3] w, {inits}> {{
          a = Conv<pads = [1,1,1,1]>(x, w)
          {body}
        }}
        """,
        opset=opset,
        ir=10 if opset > 20 else 8,
    )


PIECES = "float[5,4,1,1] f, float[5,8,1,1] g"
TAIL = """
  d = Conv(b, f)
  e = Conv(c, g)
  y = Add(d, e)
"""


@pytest.mark.parametrize("opset", [7, 9])
def test_slice_by_attributes(opset: int) -> None:
    slices = "b = Slice<axes=[1], starts=[0], ends=[4]>(a)\n"
    slices += "c = Slice<axes=[1,2], starts=[-8,0], ends=[2147483647,8]>(a)"
    case = prove(net(slices + TAIL, PIECES, opset=opset))
    assert attribute(case.proto, "b", "starts") == [0]
    assert attribute(case.proto, "b", "ends") == [2]
    assert attribute(case.proto, "c", "starts") == [2, 0]
    assert attribute(case.proto, "c", "ends") == [2147483647, 8]


@pytest.mark.parametrize("opset", [10, 13, NEWEST])
def test_slice_by_operands(opset: int) -> None:
    inits = f"{PIECES}, int64[1] zero = {{0}}, int64[1] four = {{4}}, int64[1] last = {{-8}}"
    inits += ", int64[1] end = {9223372036854775807}, int64[1] axis = {1}"
    slices = "b = Slice(a, zero, four, axis)\n c = Slice(a, last, end, axis, axis)"
    case = prove(net(slices + TAIL, inits, opset=opset))
    assert operand(case.proto, "b", 1).tolist() == [0]
    assert operand(case.proto, "b", 2).tolist() == [2]
    assert operand(case.proto, "c", 1).tolist() == [2]
    assert operand(case.proto, "c", 2).tolist() == [9223372036854775807]
    assert "zero" in {t.name for t in case.proto.graph.initializer}


def test_a_bound_that_two_slices_share_is_not_changed_for_both() -> None:
    """The same 4 ends one slice of a narrowed tensor and one of the image."""
    body = """
      b = Slice(a, zero, four, axis)
      r = Slice(x, zero, four, two)
      d = Conv(b, f)
      z = Slice(d, zero, four, two)
      p = Conv(r, h)
      y = Add(z, p)
    """
    inits = "float[5,4,1,1] f, float[5,3,1,1] h, int64[1] zero = {0}, int64[1] four = {4}"
    inits += ", int64[1] axis = {1}, int64[1] two = {2}"
    case = prove(net(body, inits, "float[2,5,4,8]"))
    assert operand(case.proto, "b", 2).tolist() == [2]
    assert operand(case.proto, "r", 2).tolist() == [4]


def test_a_slice_of_rows() -> None:
    """Channels in rows of six, of which the first two and the others are narrowed apart."""
    text = """
    net (float[2,3,4,4] x) => (float[2,5,4,4] y, float[2,5,4,4] z)
    <float[12,3,1,1] w, float[5,4,1,1] f, float[5,8,1,1] g, int64[5] split = {2,2,6,4,4},
     int64[4] join = {2,-1,4,4}, int64[1] zero = {0}, int64[1] two = {2}, int64[1] six = {6},
     int64[1] axis = {2}> {
      a = Conv(x, w)
      r = Reshape(a, split)
      s = Slice(r, zero, two, axis)
      t = Slice(r, two, six, axis)
      q = Reshape(s, join)
      p = Reshape(t, join)
      y = Conv(q, f)
      z = Conv(p, g)
    }
    """
    case = prove(model(text))
    assert operand(case.proto, "s", 2).tolist() == [1]
    assert operand(case.proto, "t", 1).tolist() == [1]
    assert operand(case.proto, "t", 2).tolist() == [6]  # as good as 3, and as it was
    assert operand(case.proto, "r", 1).tolist() == [2, 2, 3, 4, 4]


@pytest.mark.parametrize("opset", [7, 11, 13, 18, NEWEST])
def test_split_with_sizes(opset: int) -> None:
    old = opset < 13
    splitting = "Split<axis=1, split=[4,8]>(a)" if old else "Split<axis=1>(a, sizes)"
    inits = PIECES + ("" if old else ", int64[2] sizes = {4,8}")
    case = prove(net(f"b, c = {splitting}" + TAIL, inits, opset=opset), only=("g",))
    found = attribute(case.proto, "b", "split") if old else operand(case.proto, "b", 1).tolist()
    assert found == [4, 4]


@pytest.mark.parametrize("opset", [7, 13, 18, NEWEST])
@pytest.mark.parametrize("only", ["f", "fg"])
def test_split_without_sizes(opset: int, only: str) -> None:
    """Pieces that stay equal need no sizes; pieces that become unequal get them."""
    halves = "b, c = Split<axis=1{}>(a)".format(", num_outputs=2" if opset >= 18 else "")
    inits = "float[5,6,1,1] f, float[5,6,1,1] g"
    case = prove(net(halves + TAIL, inits, opset=opset), only=tuple(only))
    node = maker(case.proto, "b")
    if only == "fg":
        assert node.attribute == maker(case.lowered.model.proto, "b").attribute
        assert list(node.input) == ["a"]
    elif opset < 13:
        assert attribute(case.proto, "b", "split") == [3, 6]
    else:
        assert operand(case.proto, "b", 1).tolist() == [3, 6]
        assert attribute(case.proto, "b", "num_outputs") is None


@pytest.mark.parametrize("opset", [7, 11, 13, NEWEST])
def test_gather_ranks_its_indices(opset: int) -> None:
    inits = "float[5,5,1,1] f, int64[5] index = {11,0,-2,3,5}"
    case = prove(net("b = Gather<axis=1>(a, index)\n y = Conv(b, f)", inits, opset=opset))
    kept = case.coupling.layers["a"][0].ids.ravel()
    living = np.flatnonzero(case.alive[kept])
    picked = [i for i in (11, 0, 10, 3, 5) if i in living]
    assert operand(case.proto, "b", 1).tolist() == [living.tolist().index(i) for i in picked]
    assert maker(case.proto, "b").input[1] == "index"


def test_gather_by_int32_and_by_a_constant_node() -> None:
    body = """
      i = Constant<value = int32[2,2] {0, 1, 3, 2}>()
      b = Gather<axis=0>(t, i)
      c = Gather<axis=-3>(a, k)
      y = Conv(c, f)
    """
    inits = "float[4,12] t, int32[12] k = {0,1,2,3,4,5,6,7,8,9,10,11}, float[5,12,1,1] f"
    case = prove(net(body, inits))
    found = operand(case.proto, "c", 1)
    assert found.dtype == np.int32 and found.tolist() == list(range(6))
    assert operand(case.proto, "b", 1).tolist() == [[0, 1], [3, 2]]


@pytest.mark.parametrize("opset", [8, 13, NEWEST])
def test_expand(opset: int) -> None:
    body = "e = Expand(v, s)\n b = Add(a, e)\n y = Conv(b, f)"
    inits = "float[1,12,1,1] v, float[5,12,1,1] f, int64[4] s = {2,12,8,1}"
    case = prove(net(body, inits, opset=opset))
    assert operand(case.proto, "e", 1).tolist() == [2, 6, 8, 1]
    assert dims(case.proto, "v") == [1, 6, 1, 1]


def test_expand_by_ones_stays_as_it_was() -> None:
    body = "e = Expand(v, s)\n b = Add(a, e)\n y = Conv(b, f)"
    inits = "float[1,12,1,1] v, float[5,12,1,1] f, int64[4] s = {2,1,8,1}"
    case = prove(net(body, inits))
    assert operand(case.proto, "e", 1).tolist() == [2, 1, 8, 1]


@pytest.mark.parametrize("opset", [7, 10, 11, 13, 18, NEWEST])
def test_pad_along_channels(opset: int) -> None:
    """The shortcut that widens by zeros."""
    old = opset < 11
    pads = "Pad<pads=[0,2,1,0, 0,2,1,0]>(a)" if old else "Pad(a, s)"
    inits = "float[16,3,3,3] w2, float[5,16,1,1] f"
    inits += "" if old else ", int64[8] s = {0,2,1,0, 0,2,1,0}"
    body = f"e = {pads}\n a2 = Conv<pads = [2,1,2,1]>(x, w2)\n b = Add(a2, e)\n y = Conv(b, f)"
    case = prove(net(body, inits, "float[2,5,10,8]", opset))
    found = attribute(case.proto, "e", "pads") if old else operand(case.proto, "e", 1).tolist()
    left = dims(case.proto, "w2")[0] - dims(case.proto, "w")[0]
    assert found[1] + found[5] == left < 4
    assert [*found[:1], *found[2:5], *found[6:]] == [0, 1, 0, 0, 1, 0]


def test_pad_along_given_axes() -> None:
    inits = "float[14,3,3,3] w2, float[5,14,1,1] f, int64[4] s = {1,2,1,0}, int64[2] axes = {2,-3}"
    inits += ", float zero"
    body = "e = Pad(a, s, zero, axes)\n a2 = Conv<pads = [2,1,2,1]>(x, w2)\n b = Add(a2, e)"
    case = prove(net(body + "\n y = Conv(b, f)", inits, "float[2,5,10,8]", 18), seed=1)
    left = dims(case.proto, "w2")[0] - dims(case.proto, "w")[0]
    assert operand(case.proto, "e", 1).tolist() == [1, left, 1, 0]


@pytest.mark.parametrize("opset", [11, 13, 18, NEWEST])
def test_resize_to_sizes(opset: int) -> None:
    scales = "none, none, " if opset == 11 else ", , "
    body = f"e = Resize(a, {scales}s)\n y = Conv(e, f)"
    inits = "float[5,12,1,1] f, int64[4] s = {2,12,16,12}, float[0] none = {}"
    case = prove(net(body, inits, "float[2,5,16,12]", opset))
    assert operand(case.proto, "e", 3).tolist() == [2, 6, 16, 12]


def test_resize_of_given_axes() -> None:
    body = "e = Resize<axes = [2,-3]>(a, , , s)\n y = Conv(e, f)"
    inits = "float[5,12,1,1] f, int64[2] s = {16,12}"
    case = prove(net(body, inits, "float[2,5,16,8]", 18))
    assert operand(case.proto, "e", 3).tolist() == [16, 6]


@pytest.mark.parametrize(
    ("opset", "form"),
    [(9, "Upsample(a, s)"), (10, "Resize(a, s)"), (11, "Resize(a, s, s)"), (13, "Resize(a, , s)")],
)
def test_resize_by_scales_needs_no_words(opset: int, form: str) -> None:
    inits = "float[5,12,1,1] f, float[4] s = {1,1,2,2}"
    proto = net(f"e = {form}\n y = Conv(e, f)", inits, "float[2,5,16,16]", opset)
    case = prove(proto)
    assert maker(case.proto, "e") == maker(proto, "e")
    last = len(maker(proto, "e").input) - 1
    assert operand(case.proto, "e", last).tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("opset", [9, 13, NEWEST])
def test_constant_of_shape(opset: int) -> None:
    body = "e = ConstantOfShape<value = float[1] {0.5}>(s)\n h = Mul(a, e)\n y = Conv(h, f)"
    inits = "float[5,12,1,1] f, int64[4] s = {1,12,1,8}"
    case = prove(net(body, inits, opset=opset))
    assert operand(case.proto, "e", 0).tolist() == [1, 6, 1, 8]


RESHAPES = [
    # extents written, extents after narrowing 12 channels to 6
    ([2, 12, 64], [2, 6, 64]),
    ([0, 12, -1], [0, 6, -1]),
    ([0, 0, -1], [0, 0, -1]),
    ([2, -1, 64], [2, -1, 64]),
    ([-1, 12, 64], [-1, 6, 64]),
]


@pytest.mark.parametrize(("before", "after"), RESHAPES)
@pytest.mark.parametrize("opset", [7, 14, NEWEST])
def test_reshape_literals(before: list[int], after: list[int], opset: int) -> None:
    body = "q = Reshape(a, s)\n r = Relu(q)\n p = Reshape(r, t)\n y = Conv(p, f)"
    numbers = ",".join(map(str, before))
    inits = f"float[5,12,1,1] f, int64[{len(before)}] s = {{{numbers}}}, int64[4] t = {{0,0,8,8}}"
    case = prove(net(body, inits, opset=opset))
    assert operand(case.proto, "q", 1).tolist() == after
    assert operand(case.proto, "p", 1).tolist() == [0, 0, 8, 8]
    assert [t.name for t in case.proto.graph.initializer] == [
        t.name for t in case.lowered.model.proto.graph.initializer
    ]


def test_reshape_that_keeps_zeros() -> None:
    body = "q = Reshape<allowzero = 1>(a, s)\n r = Relu(q)\n p = Reshape(r, t)\n y = Conv(p, f)"
    inits = "float[5,12,1,1] f, int64[3] s = {2,12,64}, int64[4] t = {2,12,8,8}"
    case = prove(net(body, inits))
    assert operand(case.proto, "q", 1).tolist() == [2, 6, 64]
    assert operand(case.proto, "p", 1).tolist() == [2, 6, 8, 8]
    assert attribute(case.proto, "q", "allowzero") == 1


def test_operators_that_need_no_words() -> None:
    body = """
      b = Tile(a, twice)
      c = DepthToSpace<blocksize = 2>(b)
      d = SpaceToDepth<blocksize = 2>(c)
      t = Transpose<perm = [0,2,3,1]>(d)
      u = Unsqueeze(t, axis)
      s = Squeeze(u, axis)
      l = Flatten<axis = 3>(s)
      p = MatMul(l, f)
      y = Reshape(p, out)
    """
    inits = "int64[4] twice = {1,2,1,1}, int64[1] axis = {1}, float[24,5] f"
    inits += ", int64[4] out = {2,8,8,5}"
    proto = net(body, inits, "float[2,8,8,5]")
    case = prove(proto)
    assert case.proto.graph.node == proto.graph.node
    assert dims(case.proto, "f") == [dims(case.proto, "w")[0] * 2, 5]


def test_a_permutation_by_gather() -> None:
    body = "b = Gather<axis=1>(a, k)\n y = Conv(b, f)"
    inits = "float[5,12,1,1] f, int64[12] k = {0,2,4,6,8,10,1,3,5,7,9,11}"
    for seed in range(3):
        case = prove(net(body, inits), seed=seed, keep=0.4)
        assert sorted(operand(case.proto, "b", 1).tolist()) == [0, 1, 2, 3, 4]
