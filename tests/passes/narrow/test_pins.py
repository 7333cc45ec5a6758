"""Numbers that were computed from a shape, and are no shape, stay what they were."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphprune.execution import execute
from tests.onnxtext import Case, agree, maker, model, operand, prove

ATTENTION = """
net (float[{n},6,8] x) => (float[{n},6,8] y)
<float[8,24] w, float[8,8] o, int64[1] last = {{-1}}, int64[1] end = {{100}},
 float half = {{0.5}}> {{
  a = MatMul(x, w)
  q, k, v = Split<axis = 2>(a)
  kt = Transpose<perm = [0,2,1]>(k)
  s = Shape(q)
  {root}
  qk = MatMul(q, kt)
  sc = Div(qk, d)
  p = Softmax<axis = -1>(sc)
  h = MatMul(p, v)
  y = MatMul(h, o)
}}
"""
ROOTS = {
    "sqrt": """
      e = Slice(s, last, end)
      f = Cast<to = 1>(e)
      d = Sqrt(f)
    """,
    "pow": """
      e = Gather(s, last)
      f = Cast<to = 1>(e)
      d = Pow(f, half)
    """,
    "batch too": """
      e = ReduceProd<keepdims = 0>(s)
      f = Cast<to = 1>(e)
      d = Sqrt(f)
    """,
    "size": """
      e = Size(q)
      f = Cast<to = 1>(e)
      d = Sqrt(f)
    """,
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("n", ["2", "N"])
@pytest.mark.parametrize("opset", [13, 17])
def test_the_scale_of_attention_stays(root: str, n: str, opset: int) -> None:
    proto = model(ATTENTION.format(n=n, root=ROOTS[root]), opset=opset)
    case = prove(proto)
    assert next(list(t.dims) for t in case.proto.graph.initializer if t.name == "w")[1] < 24
    if n == "N":
        agree(case, x=(5, 6, 8))
    else:
        assert maker(case.proto, "sc").input[1].endswith(".narrowed")
        assert not [x for x in case.proto.graph.node if x.op_type in ("Sqrt", "Pow", "Size")]


def test_a_scale_that_is_computed_from_the_batch_repeats_its_arithmetic() -> None:
    case = prove(model(ATTENTION.format(n="N", root=ROOTS["batch too"])))
    kinds = [n.op_type for n in case.proto.graph.node]
    assert kinds.count("Shape") == 1 and kinds.count("Where") == 1 and kinds.count("Sqrt") == 1
    scale = maker(case.proto, maker(case.proto, "sc").input[1])
    assert scale.op_type == "Sqrt" and scale.output[0].startswith("d.narrowed")


def test_before_opset_9_there_is_no_where() -> None:
    text = ATTENTION.format(n="N", root=ROOTS["batch too"])
    text = text.replace("Softmax<axis = -1>", "Softmax<axis = 2>")
    case = prove(model(text, opset=8))
    agree(case, x=(5, 6, 8))
    kinds = [n.op_type for n in case.proto.graph.node]
    assert "Where" not in kinds and kinds.count("Mul") == 1 and kinds.count("Add") == 1


def outputs(proto: onnx.ModelProto, *shape: int) -> dict[str, list[int]]:
    feed = {"x": np.ones(shape, np.float32)}
    if len(proto.graph.input) > 1:
        feed["c"] = np.array(shape[0] > 1)
    (found,) = execute(proto, [feed])
    return {k: v.tolist() for k, v in found.items() if v.dtype == np.int64}


OUTPUT = """
net (float[{n},8] x) => (float[{n},5] y, int64[2] s, int64 size, int64 c)
<float[8,12] w, float[12,5] f, int64[2] sh = {{0,-1}}, int64 one = {{1}}, int64[1] ax = {{0}}> {{
  a = MatMul(x, w)
  r = Relu(a)
  s = Shape(r)
  size = Size(r)
  c = Gather(s, one)
  u = Unsqueeze(c, ax)
  m = Constant<value_ints = [-1]>()
  t = Concat<axis = 0>(m, u)
  q = Reshape(r, t)
  y = MatMul(q, f)
}}
"""


def same_numbers(case: Case, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        assert outputs(case.proto, *shape) == outputs(case.lowered.model.proto, *shape)


@pytest.mark.parametrize("n", ["3", "N"])
def test_shapes_that_leave_the_graph_are_those_of_the_original(n: str) -> None:
    """The Reshape beside them follows the narrowed tensor."""
    case = prove(model(OUTPUT.format(n=n)))
    assert case.proto.graph.output == case.lowered.model.proto.graph.output
    same_numbers(case, *([(3, 8)] if n == "3" else [(3, 8), (1, 8), (7, 8)]))


@pytest.mark.parametrize("n", ["3", "N"])
def test_shapes_that_a_sub_graph_reads_are_those_of_the_original(n: str) -> None:
    text = f"""
    net (float[{n},8] x, bool c) => (float[{n},5] y, int64[2] z)
    <float[8,12] w, float[12,5] f> {{
      a = MatMul(x, w)
      s = Shape(a)
      q = Reshape(a, s)
      z = If (c) <then_branch = t () => (int64[2] o) {{ o = Identity(s) }},
                  else_branch = e () => (int64[2] p) {{ p = Neg(s) }}>
      y = MatMul(q, f)
    }}
    """
    case = prove(model(text))
    same_numbers(case, *([(3, 8)] if n == "3" else [(3, 8), (1, 8)]))
    assert maker(case.proto, "z").SerializeToString() == (
        maker(case.lowered.model.proto, "z").SerializeToString()
    )


def test_what_is_only_looked_at_is_not_pinned() -> None:
    """A shape nobody counts with: nothing but the weights may change."""
    proto = model(
        """
        net (float[N,8] x) => (float[N,5] y) <float[8,12] w, float[12,5] f> {
          a = MatMul(x, w)
          s = Shape(a)
          q = Reshape(a, s)
          y = MatMul(q, f)
        }
        """
    )
    assert prove(proto).proto.graph.node == proto.graph.node


def test_a_filled_tensor_that_stays_whole_keeps_its_shape() -> None:
    """As large as the narrowed tensor was, but it meets an output."""
    proto = model(
        """
        net (float[3,8] x) => (float[3,5] y, float[3,12] z) <float[8,12] w, float[12,5] f> {
          a = MatMul(x, w)
          s = Shape(a)
          z = ConstantOfShape<value = float[1] {2.0}>(s)
          y = MatMul(a, f)
        }
        """
    )
    case = prove(proto)
    assert operand(case.proto, "z", 0).tolist() == [3, 12]
