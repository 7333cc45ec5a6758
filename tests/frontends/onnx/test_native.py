"""Local functions are opened: renamed, nested, with attributes; only what must change is written."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from graphprune.errors import InvalidModel, UnsupportedModel
from graphprune.frontends.onnx import load, lower
from graphprune.frontends.onnx.native import captured, flatten
from graphprune.ir.text import print_graph
from tests.onnxtext import cut, model, prove

HEADER = '<domain: "local", opset_import: ["" : 17, "local" : 1]>'


def opened(proto: onnx.ModelProto) -> list[str]:
    """One line an operation, attributes left out."""
    lines = []
    for native in flatten(load(proto)):
        call = ", ".join(native.proto.input)
        lines.append(f"{', '.join(native.proto.output)} = {native.op_type}({call})")
    return lines


def test_bodies_take_the_names_of_the_call() -> None:
    proto = model(
        f"""
        net (float[1,8] x) => (float[1,8] y, float[1,8] z) {{
          y = local.twice(x)
          z = local.twice(y)
        }}
        {HEADER}
        twice (a) => (r) {{ t = local.half(a)
          r = local.half(t) }}
        {HEADER}
        half (a) => (r) {{ y = Relu(a)
          r = Add(y, y) }}
        """
    )
    assert opened(proto) == [
        "y@0.0.0 = Relu(x)",
        "t@0.0 = Add(y@0.0.0, y@0.0.0)",
        "y@0.1.0 = Relu(t@0.0)",
        "y = Add(y@0.1.0, y@0.1.0)",
        "y@1.0.0 = Relu(y)",
        "t@1.0 = Add(y@1.0.0, y@1.0.0)",
        "y@1.1.0 = Relu(t@1.0)",
        "z = Add(y@1.1.0, y@1.1.0)",
    ]
    natives = flatten(load(proto))
    assert [n.call for n in natives] == [0] * 4 + [1] * 4
    assert all(n.opened and n.opset == 17 for n in natives)


def test_attributes_come_from_the_call_or_the_default() -> None:
    proto = model(
        f"""
        net (float[1,3,8,8] x) => (float[1,4,8,8] y) <float[6,3,3,3] w, float[4,6,3,3] v> {{
          a = local.block <p: ints = [1,1,1,1]>(x, w)
          y = local.block(a, v)
        }}
        {HEADER}
        block <q, p: ints = [1,0,1,2]>(x, w) => (r) {{
          c = Conv<pads: ints = @p, group: int = @q>(x, w)
          r = Relu(c)
        }}
        """
    )
    graph = print_graph(lower(load(proto)).graph)
    assert '"c@0.0": [1,6,8,8] = conv(x, w) {' in graph and "pads=[1,1,1,1]" in graph
    assert '"c@1.0": [1,4,8,8] = conv(a, v) {' in graph and "pads=[1,0,1,2]" in graph
    assert graph.count("groups=1") == 2  # nobody gives q: it is as if it were not there


def test_operands_and_results_may_be_omitted() -> None:
    proto = model(
        f"""
        net (float[1,3,8,8] x) => (float[1,4,8,8] y, float[1,6,8,8] z)
        <float[6,3,1,1] w, float[6] b, float[4,6,1,1] v> {{
          z, d = local.block(x, w, b)
          e, y = local.block(z, v)
        }}
        {HEADER}
        block (x, w, b) => (c, r) {{
          c = Conv(x, w, b)
          r = Relu(c)
        }}
        """
    )
    proto.graph.node[0].output[1] = ""
    proto.graph.node[1].output[0] = ""
    assert opened(proto) == [
        "z = Conv(x, w, b)",
        "r@0.1 = Relu(z)",
        "c@1.0 = Conv(z, v, )",
        "y = Relu(c@1.0)",
    ]


def test_an_input_that_is_handed_through() -> None:
    proto = model("net (float[2] x) => (float[2] y, float[2] z) { y, z = local.f(x) }")
    function = helper.make_function(
        "local", "f", ["a"], ["a", "r"], [helper.make_node("Relu", ["a"], ["r"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    proto.functions.append(function)
    assert opened(proto) == ["z = Relu(x)", "y = Identity(x)"]


BRANCH = f"""
net (float[1,8] x, bool c) => (float[1,4] y) <float[8,16] w, float[16,4] v> {{
  h = MatMul(x, w)
  y = local.choose(h, v, c)
}}
{HEADER}
choose (h, v, c) => (r) {{
  t = Relu(h)
  s = If (c) <
    then_branch = g () => (a) {{ n = Neg(t)
      a = Sigmoid(n) }},
    else_branch = g () => (a) {{ a = local.again(t) }}
  >
  r = MatMul(s, v)
}}
{HEADER}
again (t) => (r) {{ r = Abs(t) }}
"""


def test_sub_graphs_inside_functions_are_renamed() -> None:
    proto = model(BRANCH)
    natives = flatten(load(proto))
    branch = next(n for n in natives if n.op_type == "If")
    bodies = list(load(proto).subgraphs(branch.proto))
    assert captured(bodies) == {"t@1.0"}
    assert [n.output[0] for n in bodies[0].node] == ["n@1.1", "a@1.1"]
    assert bodies[1].output[0].name == "a@1.1"
    lowered = lower(load(proto))
    opaque = next(n for n in lowered.graph.nodes if n.op == "opaque")
    assert opaque.inputs == ("c", "t@1.0") and opaque.attrs["type"] == "If"


def test_a_function_around_a_branch_keeps_its_channels() -> None:
    proto = model(BRANCH.replace("r = MatMul(s, v)", "r = MatMul(t, v)").replace("s = If", "u = If"))
    lowered = lower(load(proto))
    assert {f.param for f in cut(proto).coupling.frozen} == {"w", "v"}
    assert lowered.graph.nodes[-1].op == "contract"


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


def test_functions_that_call_each_other_are_refused() -> None:
    proto = model(
        f"""
        net (float[2] x) => (float[2] y) {{ y = local.f(x) }}
        {HEADER}
        f (x) => (r) {{ r = local.g(x) }}
        {HEADER}
        g (x) => (r) {{ r = local.f(x) }}
        """
    )
    with pytest.raises(InvalidModel, match="calls itself"):
        flatten(load(proto))


def test_the_ai_onnx_domain_is_onnx_s_own() -> None:
    proto = model("net (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.node[0].domain = "ai.onnx"
    (native,) = flatten(load(proto))
    assert (native.op_type, native.opset) == ("Relu", 17)
    proto.opset_import[0].domain, proto.graph.node[0].domain = "ai.onnx", ""
    (native,) = flatten(load(proto))
    assert (native.op_type, native.opset) == ("Relu", 17)
