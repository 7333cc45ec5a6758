"""Everything the plan does not change survives, field for field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphprune.frontends.onnx import load, lower
from graphprune.passes.narrow.edit import Editor
from tests.onnxtext import cut, model, prove

NET = """
<ir_version: 10, opset_import: ["" : 21, "local" : 3, "com.microsoft" : 1, "unused" : 9],
 producer_name: "someone", producer_version: "1.2", domain: "net.example", model_version: 7,
 doc_string: "what it does">
net (float[batch,3,H,W] x, float[1] overridable) => (float[batch,5,H,W] y, float[1] kept)
<float[12,3,3,3] w, float[12] b, float[12] scale, float[12] mean, float[12] var, float[5,12,1,1] f,
 float[99] unused, float[1] overridable> {
  a = Conv<pads = [1,1,1,1], group = 1>(x, w, b)
  n = BatchNormalization<epsilon = 0.001>(a, scale, b, mean, var)
  r = local.act(n)
  nobody = Relu(x)
  g = Conv<kernel_shape = [1,1], strides = [1,1]>(r, f)
  y = Identity(g)
  kept = Mul(overridable, overridable)
}
<domain: "local", opset_import: ["" : 21]>
act (x) => (r) { r = Relu(x) }
"""


def rich() -> onnx.ModelProto:
    """The model with something in every field that ONNX has."""
    proto = model(NET)
    graph = proto.graph
    graph.doc_string = "the graph"
    proto.metadata_props.add(key="author", value="me")
    graph.metadata_props.add(key="graph", value="1")
    for i, node in enumerate(graph.node):
        node.name, node.doc_string = f"node {i}", f"line {i}"
        node.metadata_props.add(key="namespace", value=f"layer{i}")
        for attribute in node.attribute:
            attribute.doc_string = "an attribute"
    for tensor in graph.initializer:
        tensor.doc_string = f"tensor {tensor.name}"
        tensor.metadata_props.add(key="k", value=tensor.name)
    proto.functions[0].doc_string = "a function"
    proto.functions[0].metadata_props.add(key="f", value="1")
    declared: dict[str, list[str | int | None]] = {
        "a": ["batch", 12, "H", "W"],
        "g": ["batch", 5, None, None],
    }
    for name, dims in declared.items():
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, dims, doc_string="info")
        info.metadata_props.add(key="v", value=name)
        graph.value_info.append(info)
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[1].denotation = "DATA_CHANNEL"
    values = numpy_helper.from_array(np.ones(2, np.float32), "sparse")
    indices = numpy_helper.from_array(np.array([1, 3], np.int64), "sparse.i")
    graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [9]))
    note = graph.quantization_annotation.add(tensor_name="a")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="scale")
    training = proto.training_info.add()
    training.algorithm.name = "step"
    training.algorithm.node.append(helper.make_node("Relu", ["x"], ["z"]))
    training.update_binding.add(key="w", value="z")
    return proto


def differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Paths of fields in which two messages differ."""
    fields = {f.name: f for f, _ in (*a.ListFields(), *b.ListFields())}
    for name, field in fields.items():
        left, right, here = getattr(a, name), getattr(b, name), f"{path}.{name}".lstrip(".")
        if not field.is_repeated:
            if field.message_type is not None and a.HasField(name) == b.HasField(name):
                yield from differences(left, right, here)
            elif left != right:
                yield here
        elif len(left) != len(right) or field.message_type is None:
            yield from [here] * (list(left) != list(right))
        else:
            for i, (one, other) in enumerate(zip(left, right, strict=True)):
                yield from differences(one, other, f"{here}[{getattr(one, 'name', '') or i}]")


def test_nothing_but_what_the_plan_changes() -> None:
    proto = rich()
    case = cut(proto)
    assert sorted(differences(proto, case.proto)) == sorted(
        [f"graph.initializer[{n}].dims" for n in ("w", "b", "scale", "mean", "var", "f")]
        + [f"graph.initializer[{n}].raw_data" for n in ("w", "b", "scale", "mean", "var", "f")]
        + ["graph.value_info[a].type.tensor_type.shape.dim[1].dim_value"]
    )


def test_the_differ_sees_every_field() -> None:
    proto = rich()
    for change in (
        lambda p: setattr(p.graph.node[0], "doc_string", "other"),
        lambda p: p.graph.node[0].attribute[0].ints.append(1),
        lambda p: p.functions[0].node[0].ClearField("output"),
        lambda p: p.graph.sparse_initializer[0].dims.append(1),
        lambda p: p.ClearField("model_version"),
    ):
        other = rich()
        change(other)
        assert len(list(differences(proto, other))) == 1


def test_a_plan_that_keeps_everything_changes_nothing() -> None:
    proto = rich()
    case = cut(proto, only=())
    assert case.alive.all()
    assert case.proto.SerializeToString(deterministic=True) == (
        proto.SerializeToString(deterministic=True)
    )


def test_a_changed_attribute_stays_in_its_place() -> None:
    proto = model(
        """
        net (float[1,3,8,8] x) => (float[1,5,8,8] y) <float[12,3,1,1] w, float[12,1,3,3] d,
         float[5,12,1,1] f> {
          a = Conv(x, w)
          b = Conv<dilations = [1,1], group = 12, pads = [1,1,1,1]>(a, d)
          y = Conv(b, f)
        }
        """
    )
    case = prove(proto)
    assert [a.name for a in case.proto.graph.node[1].attribute] == ["dilations", "group", "pads"]
    assert list(differences(proto.graph.node[1], case.proto.graph.node[1])) == [
        "attribute[group].i"
    ]


def test_symbolic_extents_stay_and_literal_ones_follow() -> None:
    proto = rich()
    graph = cut(proto).proto.graph
    shapes = {i.name: [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim]
              for i in (*graph.input, *graph.output, *graph.value_info)}  # fmt: skip
    assert shapes["x"] == ["batch", 3, "H", "W"] and shapes["y"] == ["batch", 5, "H", "W"]
    assert shapes["a"] == ["batch", 6, "H", "W"] and shapes["g"] == ["batch", 5, 0, 0]


def test_what_becomes_idle_goes_and_what_was_idle_stays() -> None:
    """The old vector of a Reshape and its value_info; not the Relu that nobody reads."""
    proto = model(
        """
        net (float[2,3,8,8] x) => (float[2,5,64] y) <float[12,3,1,1] w, float[5,12] f,
         int64[1] c = {12}, int64[2] ends, int64 one = {1}> {
          a = Conv(x, w)
          idle = Relu(x)
          k = Mul(c, one)
          t = Concat<axis = 0>(e, k, m)
          e = Constant<value_ints = [2]>()
          q = Reshape(a, t)
          y = MatMul(f, q)
        }
        """
    )
    order = [4, 0, 1, 2, 3, 5, 6]
    proto.graph.node[3].input[2] = "sixty"
    proto.graph.initializer.append(numpy_helper.from_array(np.array([64]), "sixty"))
    nodes = [proto.graph.node[i] for i in order]
    copies = [onnx.NodeProto() for _ in nodes]
    for copy, node in zip(copies, nodes, strict=True):
        copy.CopyFrom(node)
    del proto.graph.node[:]
    proto.graph.node.extend(copies)
    for name in ("t", "k"):
        proto.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.INT64, None))
    case = prove(proto)
    assert [n.output[0] for n in case.proto.graph.node] == ["a", "idle", "q", "y"]
    assert [t.name for t in case.proto.graph.initializer] == ["w", "f", "ends", "t.narrowed"]
    assert len(case.proto.graph.value_info) == 0


def test_new_names_are_nobody_s() -> None:
    proto = model("net (float[2] x) => (float[2] y) <float[2] w> { y = Mul(x, w) }")
    proto.graph.initializer[0].name = "x.narrowed"
    proto.graph.node[0].input[1] = "x.narrowed"
    editor = Editor(lower(load(proto)))
    assert [editor.unique("x"), editor.unique("x"), editor.unique("y")] == [
        "x.narrowed2",
        "x.narrowed3",
        "y.narrowed",
    ]


@pytest.mark.parametrize(
    "array", [np.array(3), np.zeros((0,), np.float32), np.ones((2, 3))[:, ::2]]
)
def test_constants_keep_their_shape(array: Any) -> None:
    editor = Editor(lower(load(model("net (float[2] x) => (float[2] y) { y = Relu(x) }"))))
    editor.constant("c", array)
    assert np.array_equal(numpy_helper.to_array(editor.initializers[0]), array)
    assert list(editor.initializers[0].dims) == list(array.shape)


def test_metadata_is_set_once() -> None:
    narrowed = cut(rich()).narrowed
    first = narrowed.with_metadata("graphprune.plan", "1").with_metadata("graphprune.plan", "2")
    assert [(p.key, p.value) for p in first.proto.metadata_props] == [
        ("author", "me"),
        ("graphprune.plan", "2"),
    ]
    assert len(narrowed.proto.metadata_props) == 1
