"""Whole models: element types, quantisation, sub-graphs, odd initializers, every operator set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import graphprune
from graphprune.errors import BackendError
from tests.onnxtext import agree, cut, dims, maker, model, operand, prove, reference

NEWEST = onnx.defs.onnx_opset_version()


@pytest.mark.parametrize("opset", range(7, NEWEST + 1))
def test_every_operator_set(opset: int) -> None:
    """A network in words that all of them have; initializers as inputs where they had to be."""
    proto = model(
        """
        net (float[N,3,8,8] x) => (float[N,5] y)
        <float[12,3,3,3] w, float[12] b, float[12] scale, float[12] mean, float[12] var,
         float[5,48] f, float[5] c> {
          a = Conv<pads = [1,1,1,1]>(x, w, b)
          n = BatchNormalization(a, scale, b, mean, var)
          r = Relu(n)
          p = MaxPool<kernel_shape = [4,4], strides = [4,4]>(r)
          q = Flatten(p)
          y = Gemm<transB = 1>(q, f, c)
        }
        """,
        opset=opset,
        ir=3 if opset < 9 else 8 if opset < 19 else 10,
    )
    if proto.ir_version < 4:
        for tensor in proto.graph.initializer:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            proto.graph.input.append(info)
    try:
        case = prove(proto)
    except BackendError as error:  # younger than the engine: ask ONNX itself
        assert "opset" in str(error).lower() and opset > 21
        case = cut(proto)
        feed = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
        assert reference(case, feed) < 1e-5
    assert dims(case.proto, "w") == [6, 3, 3, 3] and dims(case.proto, "f") == [5, 24]
    assert case.proto.graph.node == proto.graph.node
    assert case.proto.opset_import == proto.opset_import


MLP = """
net ({kind}[N,8] x) => ({kind}[N,5] y) <{kind}[8,12] w, {kind}[12] b, {kind}[12,5] f> {{
  a = MatMul(x, w)
  n = Add(a, b)
  r = Relu(n)
  y = MatMul(r, f)
}}
"""


def test_quantised_weights_and_activations() -> None:
    zeros = ",".join("0" * 12)
    proto = model(
        f"""
        net (float[N,3,8,8] x) => (float[N,5,8,8] y)
        <int8[12,3,1,1] w, float[12] w_scale, int8[12] zero = {{{zeros}}}, int32[12] b,
         float[12] b_scale, int8[5,12,1,1] f, float f_scale, float a_scale, uint8 a_zero> {{
          wd = DequantizeLinear<axis = 0>(w, w_scale, zero)
          bd = DequantizeLinear<axis = 0>(b, b_scale)
          a = Conv(x, wd, bd)
          r = Relu(a)
          q = QuantizeLinear(r, a_scale, a_zero)
          d = DequantizeLinear(q, a_scale, a_zero)
          fd = DequantizeLinear(f, f_scale)
          y = Conv(d, fd)
        }}
        """
    )
    case = prove(proto)
    narrowed = {t.name: list(t.dims) for t in case.proto.graph.initializer}
    assert narrowed["w"] == [6, 3, 1, 1] and narrowed["f"] == [5, 6, 1, 1]
    assert all(narrowed[n] == [6] for n in ("w_scale", "zero", "b", "b_scale"))
    assert case.proto.graph.node == proto.graph.node


BODIES = {
    "If": """If (c) <then_branch = t () => (float[N,6] o) { o = Relu(b) },
                     else_branch = e () => (float[N,6] p) { p = Neg(b) }>""",
    "Loop": """Loop (trip, , b) <body = t (int64 n, bool k, float[N,6] o) => (bool l, float[N,6] p)
                     { l = Identity(k)
                       p = Sigmoid(o) }>""",
    "Scan": """Scan <num_scan_inputs = 1, body = t (float[6] o) => (float[6] p)
                     { p = Sigmoid(o) }> (b)""",
}


@pytest.mark.parametrize("kind", BODIES)
def test_sub_graphs_freeze_what_they_touch_and_survive(kind: str) -> None:
    proto = model(
        f"""
        net (float[N,8] x, bool c) => (float[N,5] y, float[N,4] z)
        <float[8,12] w, float[12,5] f, float[8,6] g, float[6,4] h, int64 trip = {{3}}> {{
          a = MatMul(x, w)
          r = Relu(a)
          y = MatMul(r, f)
          b = MatMul(x, g)
          i = {BODIES[kind]}
          z = MatMul(i, h)
        }}
        """
    )
    case = prove(proto)
    assert dims(case.proto, "w") == [8, 6] and dims(case.proto, "g") == [8, 6]
    assert maker(case.proto, "i") == maker(proto, "i")
    reasons = {f.param: f.reason for f in case.coupling.frozen if f.axis == 1 or f.param == "h"}
    assert reasons["g"][-1] == f"{kind} 'i': its sub-graphs are not looked into"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("com.example.Magic(b)", "com.example::Magic 'i': there is no rule for this operator"),
        ("Nonesuch(b)", "Nonesuch 'i': there is no rule for this operator"),
        ("com.microsoft.BifurcationDetector(b)", "there is no rule for this operator"),
    ],
)
def test_unknown_operators_freeze_what_they_touch(node: str, reason: str) -> None:
    """No engine knows them either: the labels are the proof."""
    proto = model(
        f"""
        net (float[N,8] x) => (float[N,5] y, float[N,4] z)
        <float[8,12] w, float[12,5] f, float[8,6] g, float[6,4] h> {{
          a = MatMul(x, w)
          r = Relu(a)
          y = MatMul(r, f)
          b = MatMul(x, g)
          i = {node}
          z = MatMul(i, h)
        }}
        """
    )
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    result = graphprune.prune(proto, channels=0.5, criterion="l1", run=False)
    assert result.proof.ok
    assert dims(result.model, "w") == [8, 6] and dims(result.model, "g") == [8, 6]
    frozen = {f.param: f.reason[-1] for f in result.inspection.coupling.frozen if f.axis == 1}
    assert frozen["g"].endswith(reason)


def test_a_sparse_initializer_keeps_its_channels() -> None:
    proto = model(
        """
        net (float[N,8] x) => (float[N,5] y)
        <float[8,12] w, float[12,12] v, float[12,5] f> {
          a = MatMul(x, w)
          n = Add(a, s)
          g = MatMul(n, v)
          h = Relu(g)
          y = MatMul(h, f)
        }
        """
    )
    values = numpy_helper.from_array(np.array([1, 2], np.float32), "s")
    indices = numpy_helper.from_array(np.array([1, 5], np.int64), "s_i")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [12]))
    case = prove(proto)
    assert dims(case.proto, "w") == [8, 12] and dims(case.proto, "v") == [12, 6]
    assert case.proto.graph.sparse_initializer == proto.graph.sparse_initializer
    reasons = {f.param: f.reason[-1] for f in case.coupling.frozen if f.axis == 1}
    assert reasons["w"] == "result of sparse initializer 's': sparse tensors stay whole"


def test_an_overridable_initializer_is_narrowed_with_its_input() -> None:
    proto = model(MLP.format(kind="float"))
    info = helper.make_tensor_value_info("b", 1, [12])
    proto.graph.input.append(info)
    case = prove(proto)
    assert [i.name for i in case.proto.graph.input] == ["x", "b"]
    assert case.proto.graph.input[1].type.tensor_type.shape.dim[0].dim_value == 6
    assert case.lowered.graph.inputs == ("x",)


def test_symbolic_batch_and_pixels(tmp_path: Path) -> None:
    """A fully convolutional net with a resize and a skip; narrowed once, run at other sizes."""
    proto = model(
        """
        net (float[batch,3,height,width] x) => (float[batch,5,height,width] y)
        <float[12,3,3,3] w, float[10,12,3,3] v, float[5,22,1,1] f, int64 hw = {2},
         int64 four = {4}, int64[1] zero = {0}, int64[1] two = {2}, int64[1] end = {4},
         float[0] none = {}> {
          a = Conv<pads = [1,1,1,1]>(x, w)
          d = Conv<pads = [1,1,1,1], strides = [2,2]>(a, v)
          s = Shape(a)
          t = Shape(d)
          h = Slice(s, two, end, zero)
          n = Slice(t, zero, two, zero)
          z = Concat<axis = 0>(n, h)
          u = Resize<mode = "nearest">(d, none, none, z)
          c = Concat<axis = 1>(a, u)
          y = Conv(c, f)
        }
        """
    )
    case = prove(proto, shapes={"x": (1, 3, 8, 8)})
    for shape in ((1, 3, 8, 8), (3, 3, 8, 8), (2, 3, 6, 10), (1, 3, 7, 5)):
        agree(case, x=shape)
    assert case.proto.graph.node == proto.graph.node
    assert case.proto.graph.input == proto.graph.input
    assert case.proto.graph.output == proto.graph.output


TRANSFORMER = """
net (float[B,T,8] x) => (float[B,T,8] y)
<float[8,24] w, float[8,8] o, int64 zero = {0}, int64 one = {1}, int64[1] ax = {0},
 int64[2] heads = {2,4}, int64[1] all = {-1}, int64[1] last = {-1}, int64[1] end = {100}> {
  a = MatMul(x, w)
  q, k, v = Split<axis = 2>(a)
  s = Shape(x)
  b0 = Gather(s, zero)
  t0 = Gather(s, one)
  b = Unsqueeze(b0, ax)
  t = Unsqueeze(t0, ax)
  split = Concat<axis = 0>(b, t, heads)
  join = Concat<axis = 0>(b, t, all)
  q4 = Reshape(q, split)
  k4 = Reshape(k, split)
  v4 = Reshape(v, split)
  qh = Transpose<perm = [0,2,1,3]>(q4)
  kh = Transpose<perm = [0,2,3,1]>(k4)
  vh = Transpose<perm = [0,2,1,3]>(v4)
  sq = Shape(qh)
  e = Slice(sq, last, end)
  ef = Cast<to = 1>(e)
  d = Sqrt(ef)
  qk = MatMul(qh, kh)
  sc = Div(qk, d)
  p = Softmax<axis = -1>(sc)
  z = MatMul(p, vh)
  zt = Transpose<perm = [0,2,1,3]>(z)
  zj = Reshape(zt, join)
  y = MatMul(zj, o)
}
"""


def test_a_batch_in_the_middle_of_a_transformer() -> None:
    """Heads are split by a Reshape with a computed batch and length."""
    proto = model(TRANSFORMER)
    case = prove(proto, shapes={"x": (1, 5, 8)})
    for shape in ((1, 5, 8), (3, 5, 8), (2, 7, 8)):
        agree(case, x=shape)
    assert dims(case.proto, "w")[1] < 24
    assert operand(case.proto, "join", 2).tolist() == [-1]
