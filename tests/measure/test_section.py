"""The part of a model that has the channels of one group."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.data import Feeds
from graphprune.errors import UnsupportedModel
from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.groups import Coupling
from graphprune.measure import section
from graphprune.passes.couple import couple
from tests.cli.running import DIGITS, net


def analysed(model: Any, **shapes: tuple[int, ...]) -> tuple[Lowered, Coupling]:
    lowered = lower(load(model), shapes or None)
    return lowered, couple(lowered.graph)


def ran(model: onnx.ModelProto, feeds: Feeds) -> Feeds:
    return OnnxRuntime(optimization="none").build(model, threads=1).run(feeds)


def test_a_part_is_everything_that_reads_or_writes_the_channels() -> None:
    lowered, coupling = analysed(net())
    first, second = coupling
    part, inputs = section.extract(section.narrowed(lowered, coupling, first, 16), coupling, first)
    assert [node.name for node in part.graph.node] == ["a", "r", "b"]
    assert inputs == ("x",)
    assert [info.name for info in part.graph.output] == ["h3"]
    part, inputs = section.extract(section.narrowed(lowered, coupling, second, 8), coupling, second)
    assert [node.name for node in part.graph.node] == ["b", "m", "c"]
    assert inputs == ("h2",)
    assert [tensor.name for tensor in part.graph.initializer] == ["b.weight", "c.weight"]


@pytest.mark.parametrize("width", [1, 5, 8])
def test_a_part_computes_what_the_narrowed_model_computes(width: int) -> None:
    lowered, coupling = analysed(net())
    group = coupling.groups[1]
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)}
    model = section.narrowed(lowered, coupling, group, width)
    part, inputs = section.extract(model, coupling, group)
    onnx.checker.check_model(part, full_check=True)
    fed = section.boundary(model, coupling.graph, inputs, feeds)
    assert list(fed) == ["h2"]
    np.testing.assert_array_equal(ran(part, fed)["y"], ran(model, feeds)["y"])


def test_the_border_has_the_same_shapes_at_every_width() -> None:
    lowered, coupling = analysed(DIGITS)
    for group in coupling:
        whole = section.narrowed(lowered, coupling, group, group.width)
        small = section.narrowed(lowered, coupling, group, max(1, group.width // 2))
        parts = [section.extract(model, coupling, group)[0] for model in (whole, small)]
        borders = [[*part.graph.input, *part.graph.output] for part in parts]
        assert borders[0] == borders[1]
        assert len(parts[0].graph.node) == len(parts[1].graph.node)
        assert parts[1].ByteSize() < parts[0].ByteSize()


def reshaping() -> onnx.ModelProto:
    """A flatten whose target is computed from the shape of what it flattens."""
    model = net(size=2)
    graph = model.graph
    del graph.node[4:], graph.initializer[2:]
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((32, 4)).astype(np.float32)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name)
        for name, array in (("w", weight), ("zero", np.array([0])), ("rest", np.array([-1])))
    )
    make = onnx.helper.make_node
    graph.node.extend(
        (
            make("Shape", ["h4"], ["shape"], name="shape"),
            make("Gather", ["shape", "zero"], ["count"], name="count"),
            make("Concat", ["count", "rest"], ["target"], name="target", axis=0),
            make("Reshape", ["h4", "target"], ["flat"], name="flatten"),
            make("MatMul", ["flat", "w"], ["y"], name="head"),
        )
    )
    return model


def test_shapes_that_are_computed_belong_to_the_part() -> None:
    lowered, coupling = analysed(reshaping(), x=(2, 3, 2, 2))
    group = coupling.groups[1]
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3, 2, 2)).astype(np.float32)}
    model = section.narrowed(lowered, coupling, group, 3)
    part, inputs = section.extract(model, coupling, group)
    assert inputs == ("h2",)
    fed = section.boundary(model, coupling.graph, inputs, feeds)
    np.testing.assert_array_equal(ran(part, fed)["y"], ran(model, feeds)["y"])


def test_operations_with_sub_graphs_are_refused() -> None:
    model = net()
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["h3"], ["inner"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)],
    )
    _, coupling = analysed(model)
    group = coupling.groups[0]
    model.graph.node[1].attribute.append(onnx.helper.make_attribute("then_branch", branch))
    with pytest.raises(UnsupportedModel, match="cannot be cut out of the model") as caught:
        section.extract(model, coupling, group)
    assert (caught.value.where, caught.value.why) == ("r", "Relu has a sub-graph")
