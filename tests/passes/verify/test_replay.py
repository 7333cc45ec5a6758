"""The proof without numbers: kept labels run through the narrowed graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import onnx
import pytest
from onnx import helper, numpy_helper

from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.groups import Alive
from graphprune.inspection import Inspection, inspect
from graphprune.ir import Graph, Value
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.verify import Replay, replay
from tests.nets import NETS, Draft, build
from tests.oracle import drawn

Spoil = Callable[[onnx.GraphProto], None]


def replayed(found: Inspection[Lowered], alive: Alive, spoil: Spoil = lambda graph: None) -> Replay:
    """Of a narrowed model that was spoiled after it was made."""
    proto = materialise(narrow(found.lowered, found.coupling, alive))
    spoil(proto.graph)
    return replay(found.coupling, alive, lower(load(proto), found.lowered.inputs).graph)


def node(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(n for n in graph.node if n.name == name)
    return found


@pytest.mark.parametrize("name", sorted(NETS))
def test_half_of_every_group(name: str) -> None:
    found = inspect(build(name))
    verdict = replayed(found, drawn(found.coupling, 7, "half"))
    assert verdict.failures == ()
    assert verdict.ok
    assert verdict.checked > 0


def dense() -> Inspection[Lowered]:
    """The second layer reads the first's channels behind those of the image."""
    m = Draft()
    x = m.input("x", 1, 3, 4, 4)
    a, b = m.op("Relu", m.conv(x, 6)), m.op("Relu", m.conv(x, 6))
    m.output(m.conv(m.op("Concat", a, x, b, axis=1), 4))
    return inspect(m.proto())


def swap_operands(graph: onnx.GraphProto) -> None:
    names = node(graph, "concat1").input
    names[0], names[2] = names[2], names[0]


def image_first(graph: onnx.GraphProto) -> None:
    names = node(graph, "concat1").input
    names[0], names[1] = names[1], names[0]


def test_equal_widths_in_the_wrong_order() -> None:
    found = dense()
    alive = drawn(found.coupling, 0, "half")
    assert replayed(found, alive).ok
    verdict = replayed(found, alive, swap_operands)
    assert not verdict.ok
    assert verdict.failures == ("different channels meet at conv 'conv3'",)


def test_removable_channels_where_fixed_ones_should_be() -> None:
    found = dense()
    verdict = replayed(found, drawn(found.coupling, 0, "half"), image_first)
    assert not verdict.ok
    assert any("may not be removed" in f or "different" in f for f in verdict.failures)


def test_another_order_behind_a_gather() -> None:
    def reverse(graph: onnx.GraphProto) -> None:
        name = node(graph, "gather1").input[1]
        tensor = next(t for t in graph.initializer if t.name == name)
        indices = numpy_helper.to_array(tensor)[::-1].copy()
        tensor.CopyFrom(numpy_helper.from_array(indices, tensor.name))

    m = Draft()
    x = m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 6))
    y = m.op("Gather", x, m.ints(3, 1, 0, 5, 4, 2), axis=1)
    m.output(m.conv(m.op("Add", m.conv(y, 6), x), 4))
    found = inspect(m.proto())
    alive = drawn(found.coupling, 0, "half")
    assert replayed(found, alive).ok
    assert replayed(found, alive, reverse).failures == ("different channels meet at conv 'conv2'",)


def test_a_shape_that_the_plan_does_not_say() -> None:
    found = dense()
    alive = drawn(found.coupling, 0, "half")
    everything = replay(found.coupling, alive, found.lowered.graph)
    assert not everything.ok
    assert everything.checked == 0
    assert everything.failures[0] == ("'conv1' has shape [1, 6, 4, 4], the plan says [1, 3, 4, 4]")
    assert len(everything.failures) <= 8


def test_an_output_that_is_missing() -> None:
    found = dense()

    def rename(graph: onnx.GraphProto) -> None:
        node(graph, "conv3").output[0] = "other"
        graph.output[0].name = "other"

    verdict = replayed(found, drawn(found.coupling, 0, "half"), rename)
    assert verdict.failures == ("output 'conv3' is missing",)


def test_another_model_of_the_same_shapes() -> None:
    """A layer less: what the conv reads is not what the plan removed channels of."""
    found = dense()

    def skip(graph: onnx.GraphProto) -> None:
        node(graph, "concat1").input[2] = "relu1"

    assert not replayed(found, drawn(found.coupling, 0, "half"), skip).ok


def test_a_shuffle_that_became_a_gather_is_followed() -> None:
    found = inspect(build("shufflenet_v2"))
    alive = drawn(found.coupling, 1)
    proto = materialise(narrow(found.lowered, found.coupling, alive))
    assert "Gather" in {n.op_type for n in proto.graph.node}
    assert replay(found.coupling, alive, lower(load(proto)).graph).ok


def test_a_shuffle_left_as_it_was_is_noticed() -> None:
    found = inspect(build("shufflenet_v2"))
    alive = drawn(found.coupling, 1)

    def unshuffle(graph: onnx.GraphProto) -> None:
        for n in graph.node:
            if n.op_type == "Gather":
                copy = helper.make_node("Identity", n.input[:1], n.output, n.name)
                n.CopyFrom(copy)

    assert not replayed(found, alive, unshuffle).ok


def dense_graph(**changes: Value) -> tuple[Inspection[Lowered], Alive, Graph]:
    """The narrowed graph of the dense network, some of its values exchanged."""
    found = dense()
    alive = drawn(found.coupling, 0, "half")
    proto = materialise(narrow(found.lowered, found.coupling, alive))
    graph = lower(load(proto), found.lowered.inputs).graph
    names = {old: value.name for old, value in changes.items()}
    values = {names.get(k, k): changes.get(k, v) for k, v in graph.values.items()}
    nodes = tuple(
        replace(n, inputs=tuple(names.get(name, name) for name in n.inputs)) for n in graph.nodes
    )
    return found, alive, replace(graph, values=values, nodes=nodes)


def test_a_parameter_of_other_extents_than_the_plan_says() -> None:
    _, _, graph = dense_graph()
    name = graph.nodes[0].inputs[1]
    wide = replace(graph.values[name], shape=(6, 3, 3, 3))
    found, alive, wrong = dense_graph(**{name: wide})
    verdict = replay(found.coupling, alive, wrong)
    assert verdict.failures == (f"'{name}' has shape [6, 3, 3, 3], which is not the plan's",)


def test_a_parameter_read_at_a_new_place_is_known_by_its_own_name() -> None:
    found, alive, graph = dense_graph()
    first = graph.nodes[0]
    moved = replace(first, outputs=("elsewhere",))
    values = {
        **graph.values,
        "elsewhere": replace(graph.values[first.outputs[0]], name="elsewhere"),
    }
    again = replace(graph, values=values, nodes=(moved, *graph.nodes))
    assert replay(found.coupling, alive, again).ok


def test_a_parameter_of_which_nothing_is_known() -> None:
    _, _, graph = dense_graph()
    name = graph.nodes[0].inputs[1]
    other = replace(graph.values[name], name="other", source="other")
    found, alive, wrong = dense_graph(**{name: other})
    node = replace(wrong.nodes[0], outputs=("elsewhere",))
    values = {**wrong.values, "elsewhere": replace(wrong.values["conv1"], name="elsewhere")}
    first, *rest = graph.nodes
    verdict = replay(
        found.coupling, alive, replace(wrong, values=values, nodes=(node, first, *rest))
    )
    assert verdict.failures == ("nothing says which channels 'other' holds",)
