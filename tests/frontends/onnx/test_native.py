"""Local functions are opened: nested, renamed, their attributes filled in."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load, lower
from graphprune.frontends.onnx.native import captured, flatten
from graphprune.ir.text import print_graph
from tests.onnxtext import cut, model

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
    proto = model(
        BRANCH.replace("r = MatMul(s, v)", "r = MatMul(t, v)").replace("s = If", "u = If")
    )
    lowered = lower(load(proto))
    assert {f.param for f in cut(proto).coupling.frozen} == {"w", "v"}
    assert lowered.graph.nodes[-1].op == "contract"


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
