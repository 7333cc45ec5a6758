"""What is read of a model before it is built."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from graphprune.backends import onnx_source
from graphprune.errors import BackendError


def pair() -> onnx.ModelProto:
    """Returns a sum of two inputs that share the size n; the second is four wide."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        "pair",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", "m"]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 4]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph)


def test_shapes_give_sizes_to_symbols() -> None:
    assert onnx_source.sizes(pair(), {"a": (2, 4), "b": (2, 4)}) == {"n": 2, "m": 4}
    assert onnx_source.sizes(pair(), {}) == {}


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"c": (1,)}, "the model has no input named 'c'\n  why:   its inputs: a, b"),
        (
            {"a": (2,)},
            "the shape given for input 'a' does not fit\n  why:   it has 2 axes, the shape 1",
        ),
        (
            {"b": (2, 5)},
            "the shape given for input 'b' does not fit\n"
            "  why:   axis 1 has size 4, the shape says 5",
        ),
        (
            {"a": (2, 4), "b": (3, 4)},
            "the shape given for input 'b' does not fit\n"
            "  why:   axis 0 has size 2, the shape says 3",
        ),
    ],
)
def test_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], text: str) -> None:
    with pytest.raises(BackendError) as caught:
        onnx_source.sizes(pair(), shapes)
    assert str(caught.value) == f"BackendError: {text}"


def test_messages_name_a_model_where_it_has_a_name() -> None:
    assert onnx_source.place(pair()) == "pair"
    assert onnx_source.place("a/b.onnx") == "a/b.onnx"
    assert onnx_source.place(b"") is None
