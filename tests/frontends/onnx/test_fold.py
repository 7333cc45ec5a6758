"""Shape arithmetic gives what ONNX's own evaluator gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load, lower
from graphprune.frontends.onnx.fold import FOLDS, LIMIT
from tests.onnxtext import model

HEAD = """
net (float[2,12,4,5] x) => (int64[1] done)
<int64[4] v = {{3,-1,7,2}}, int64[2,3] m = {{1,2,3,4,5,6}}, int64 k = {{-2}}, int64 p = {{3}},
 int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[1] two = {{2}}, int64[1] last = {{-1}},
 int64[1] end = {{9223372036854775807}}, int64[1] front = {{-9223372036854775807}},
 int64[2] both = {{0,1}}, int64[2] shape = {{3,2}}, int64[3] spread = {{2,2,3}},
 bool[2] flag = {{0,1}}, float f = {{2.25}},
 int64[2] sizes = {{1,3}}, int64[5] five = {{1,2,3,4,5}}, float[1] g = {{-0.5}}> {{
  {body}
  done = Identity(one)
}}
"""
BODIES = [
    "r = Add(v, k)", "r = Sub(v, p)", "r = Mul(m, p)", "r = Div(v, p)", "r = Div(v, k)",
    "r = Pow(v, p)", "r = Mod(v, p)", "r = Mod<fmod = 1>(v, p)", "r = Equal(v, p)",
    "r = Greater(v, p)", "r = LessOrEqual(v, p)", "r = And(flag, flag)", "r = Not(flag)",
    "r = Xor(flag, flag)", "r = Min(v, k, p)", "r = Max(v, p)", "r = Neg(v)", "r = Abs(v)",
    "r = Sign(v)", "r = Sqrt(f)", "r = Floor(f)", "r = Ceil(f)", "r = Round(g)", "r = Exp(f)",
    "r = Reciprocal(f)", "r = Log(f)", "r = Cast<to = 7>(f)",
    "r = Cast<to = 6>(v)", "r = Cast<to = 9>(v)", "r = CastLike(f, p)", "r = Div(f, g)",
    "r = Shape(x)", "r = Shape<start = 1, end = -1>(x)", "r = Shape<start = -3>(x)", "r = Size(x)",
    "r = Shape(m)", "r = Size(m)", "r = Clip(v, k, p)", "r = Clip(v, , p)", "r = Clip(f, g)",
    "r = Gather(v, both)", "r = Gather<axis = 1>(m, last)", "r = Gather(v, k)",
    "r = Concat<axis = 0>(v, one)", "r = Concat<axis = -1>(m, m)",
    "r = Slice(v, one, end)", "r = Slice(v, last, front, zero, last)",
    "r = Slice(m, zero, two, one)",
    "r = Slice(v, zero, end, , two)", "r = Slice(m, last, end, last)",
    "r = Unsqueeze(v, zero)", "r = Unsqueeze(v, both)",
    "q = Unsqueeze(v, both) r = Squeeze(q, zero)",
    "q = Unsqueeze(v, both) r = Squeeze(q)", "q = Unsqueeze(v, both) r = Squeeze(q, )",
    "r = Reshape(m, shape)", "r = Reshape(m, last)", "r = Flatten<axis = 0>(m)", "r = Flatten(m)",
    "r = Transpose(m)", "r = Transpose<perm = [1,0]>(m)", "r = Expand(m, spread)",
    "r = Expand(k, shape)", "r = Tile(m, shape)", "r = Where(flag, k, p)", "r = Range(k, p, p)",
    "r = Range(p, k, k)", "r = ConstantOfShape<value = int64[1] {5}>(shape)",
    "r = ReduceProd(v)", "r = ReduceProd<keepdims = 0>(m)", "r = ReduceSum(m, one)",
    "r = ReduceSum<noop_with_empty_axes = 1>(m)", "r = ReduceMax<axes = [0]>(m)",
    "r = ReduceMin<axes = [1], keepdims = 0>(m)", "r, s = Split(v, sizes)", "r, s = Split(v)",
    "r, s = Split<axis = -2>(m)",
]  # fmt: skip


def known(body: str, opset: int = 17) -> dict[str, Any]:
    return dict(lower(load(model(HEAD.format(body=body), opset=opset))).known)


def wanted(body: str, opset: int) -> dict[str, Any]:
    """The same by ONNX's evaluator."""
    proto = model(HEAD.format(body=body), opset=opset)
    names = [o for n in proto.graph.node for o in n.output]
    proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n != "done")
    x = np.zeros((2, 12, 4, 5), np.float32)
    results = ReferenceEvaluator(proto).run(None, {"x": x})
    return dict(zip([o.name for o in proto.graph.output], results, strict=True))


def check(body: str, opset: int) -> None:
    found, expected = known(body, opset), wanted(body, opset)
    for name in sorted({"r", "s", "q"} & set(expected)):
        here, there = np.asarray(found[name]), np.asarray(expected[name])
        assert here.dtype == there.dtype and here.shape == there.shape, name
        assert np.allclose(here, there), name


@pytest.mark.parametrize("body", BODIES)
def test_as_onnx_computes_it(body: str) -> None:
    check(body, 17)


@pytest.mark.parametrize(
    "body",
    ["r, s = Split<num_outputs = 2>(five)", "r = ReduceMax(m, one)", "r, s = Split(v, sizes)"],
)
def test_newer_forms(body: str) -> None:
    check(body, 18)


@pytest.mark.parametrize(
    "body",
    [
        "r = Slice<starts = [1], ends = [3]>(v)",
        "r = Slice<starts = [-2], ends = [9], axes = [1]>(m)",
        "r = Unsqueeze<axes = [0,2]>(v)", "q = Unsqueeze<axes = [0]>(v) r = Squeeze<axes = [0]>(q)",
        "r, s = Split<split = [1,3]>(v)",
    ],
)  # fmt: skip
def test_older_forms(body: str) -> None:
    check(body, 9)


def test_every_rule_is_tried() -> None:
    tried = {word.partition("(")[0].partition("<")[0] for b in BODIES for word in b.split()}
    assert set(FOLDS) - tried == {"Less", "GreaterOrEqual", "Or", "Identity"}


@pytest.mark.parametrize(
    "body",
    [
        "r = Range(zero0, huge, p)", "r = Tile(m, many)", "r = Expand(k, many)",
        "r = ConstantOfShape(many)",
    ],
)  # fmt: skip
def test_what_would_be_large_is_not_computed(body: str) -> None:
    text = HEAD.format(body=body).replace(
        "<int64[4] v", f"<int64 zero0 = {{0}}, int64 huge = {{{1 << 40}}}, "
        f"int64[2] many = {{{1 << 20},{1 << 20}}}, int64[4] v"
    )  # fmt: skip
    lowered = lower(load(model(text)))
    assert "r" not in lowered.known or lowered.known["r"].size <= LIMIT


@pytest.mark.parametrize(
    "body",
    ["r = Gather(v, five)", "r = Reshape(m, five)", "r = Add(v, five)", "r = Squeeze(m, zero)",
     "r = Concat<axis = 0>(v, m)", "r, s = Split(five, sizes)"],
)  # fmt: skip
def test_arithmetic_that_fails_is_refused(body: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        known(body)
    assert caught.value.what == "an operation is not what its operator's definition says"
    assert "'r'" in str(caught.value.where)
