"""Local functions: only calls whose body must change are written out, under the right opsets."""

from __future__ import annotations

import pytest
from onnx import helper

from graphprune.errors import UnsupportedModel
from tests.onnxtext import cut, model, prove

HEADER = '<domain: "local", opset_import: ["" : 17, "local" : 1]>'
CALLS = f"""
net (float[N,3,8,8] x) => (float[N,5,8,8] y)
<float[16,3,3,3] w, float[6,16,1,1] u, float[5,6,1,1] v, int64[4] s = {{-1, 16, 8, 8}}> {{
  a = local.act(x)
  b = Conv<pads = [1,1,1,1]>(a, w)
  c = local.act(b)
  d = local.shaped(c, s)
  e = Conv(d, u)
  f = local.act(e)
  y = Conv(f, v)
}}
{HEADER}
act (x) => (r) {{ r = Relu(x) }}
{HEADER}
shaped (x, s) => (r) {{ f = Flatten<axis = 2>(x)
  q = Reshape(f, s)
  n = Neg(q)
  r = local.act(n) }}
"""


def test_only_calls_whose_body_changes_are_written_out() -> None:
    case = prove(model(CALLS))
    written = [f"{node.output[0]} = {node.domain}.{node.op_type}" for node in case.proto.graph.node]
    assert written == [
        "a = local.act", "b = .Conv", "c = local.act", "f@3.0 = .Flatten", "q@3.1 = .Reshape",
        "n@3.2 = .Neg", "d = .Relu", "e = .Conv", "f = local.act", "y = .Conv",
    ]  # fmt: skip
    assert case.proto.functions == case.lowered.model.proto.functions


def test_a_literal_inside_a_function() -> None:
    proto = model(
        CALLS.replace("shaped (x, s)", "shaped (x)")
        .replace("local.shaped(c, s)", "local.shaped(c)")
        .replace(", int64[4] s = {-1, 16, 8, 8}", "")
        .replace("f = Flatten", "s = Constant<value_ints = [-1, 16, 8, 8]>()\n  f = Flatten")
    )
    case = prove(proto)
    written = [node.op_type for node in case.proto.graph.node]
    assert written == [
        "act", "Conv", "act", "Flatten", "Reshape", "Neg", "Relu", "Conv", "act", "Conv",
    ]  # fmt: skip


def test_a_function_of_another_opset_is_written_out_only_if_it_means_the_same() -> None:
    older = CALLS.replace('["" : 17, "local" : 1]>\nshaped', '["" : 14, "local" : 1]>\nshaped')
    assert older != CALLS
    prove(model(older))
    softmax = CALLS.replace('["" : 17, "local" : 1]>\nshaped', '["" : 11, "local" : 1]>\nshaped')
    softmax = softmax.replace("n = Neg(q)", "n = Softmax<axis = 3>(q)")
    with pytest.raises(UnsupportedModel) as caught:
        cut(model(softmax))
    assert "function 'shaped' cannot be written out" in str(caught.value)
    assert "Reshape of opset 11 may mean something else in opset 17" in str(caught.value)


def test_domains_that_only_a_function_imports_are_imported() -> None:
    proto = model(CALLS.replace("n = Neg(q)", "n = com.microsoft.QuickGelu(q)"))
    proto.functions[1].opset_import.append(helper.make_opsetid("com.microsoft", 1))
    case = prove(proto)
    assert [(o.domain, o.version) for o in case.proto.opset_import] == [
        ("", 17),
        ("local", 1),
        ("com.microsoft", 1),
    ]


def test_a_call_may_name_a_tensor_that_its_function_does_not_read() -> None:
    """The bias is cloned for both convolutions, but the call would be invalid without it."""
    proto = model(
        f"""
        net (float[2,3,8,8] x) => (float[2,5,8,8] y) <float[12,3,3,3] w, float[12,3,1,1] v,
         float[12] b, float[5,12,1,1] f, float[5,12,1,1] g> {{
          a = Conv<pads = [1,1,1,1]>(x, w, b)
          c = Conv(x, v, b)
          r = local.act(a, b)
          d = Conv(r, f)
          e = Conv(c, g)
          y = Add(d, e)
        }}
        {HEADER}
        act (x, unread) => (r) {{ r = Relu(x) }}
        """
    )
    case = prove(proto)
    assert "b" in {t.name for t in case.proto.graph.initializer}
    assert case.proto.graph.node[2] == proto.graph.node[2]
