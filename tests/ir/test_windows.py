"""Sliding windows give the extents that ONNX's own inference gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, shape_inference

from graphprune.ir import Node
from graphprune.ir.graph import Attr, Shape
from graphprune.ir.shapes import infer

WINDOW = st.fixed_dictionaries(
    {
        "size": st.integers(3, 12), "kernel": st.integers(1, 3), "stride": st.integers(1, 3),
        "dilation": st.integers(1, 2), "begin": st.integers(0, 2), "end": st.integers(0, 2),
        "ceil": st.booleans(), "extra": st.integers(0, 1),
    }
)  # fmt: skip


def by_onnx(op: str, operands: list[Shape], **attrs: Any) -> Shape:
    names = [f"x{i}" for i in range(len(operands))]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attrs)],
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(names, operands)],  # noqa: B905
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    found = shape_inference.infer_shapes(model, strict_mode=True).graph.output[0]
    return tuple(d.dim_value for d in found.type.tensor_type.shape.dim)


def by_rule(op: str, operands: list[Shape], **attrs: Attr) -> Shape:
    names = tuple(f"x{i}" for i in range(len(operands)))
    return infer(Node(op, names, ("y",), attrs), operands)[0]


@given(WINDOW)
def test_conv(w: dict[str, int]) -> None:
    assume(w["size"] + w["begin"] + w["end"] > w["dilation"] * (w["kernel"] - 1))
    operands: list[Shape] = [(2, 6, w["size"], 9), (8, 3, w["kernel"], 2)]
    strides, dilations = (w["stride"], 1), (w["dilation"], 1)
    pads = (w["begin"], 0, w["end"], 1)
    found = by_rule("conv", operands, groups=2, strides=strides, dilations=dilations, pads=pads)
    assert found == by_onnx(
        "Conv", operands, group=2, strides=strides, dilations=dilations, pads=pads
    )


@given(WINDOW)
def test_conv_transpose(w: dict[str, int]) -> None:
    full = (w["size"] - 1) * w["stride"] + w["dilation"] * (w["kernel"] - 1) + 1 + w["extra"]
    assume(full > w["begin"] + w["end"])
    operands: list[Shape] = [(2, 6, w["size"]), (6, 4, w["kernel"])]
    strides, dilations, pads = (w["stride"],), (w["dilation"],), (w["begin"], w["end"])
    extra = (w["extra"],)
    found = by_rule(
        "conv_transpose", operands, groups=3, strides=strides, dilations=dilations, pads=pads,
        output_padding=extra,
    )  # fmt: skip
    assert found == by_onnx(
        "ConvTranspose", operands, group=3, strides=strides, dilations=dilations, pads=pads,
        output_padding=extra,
    )  # fmt: skip


@given(WINDOW)
def test_pool(w: dict[str, int]) -> None:
    assume(w["size"] + w["begin"] + w["end"] > w["dilation"] * (w["kernel"] - 1))
    operands: list[Shape] = [(2, 6, w["size"])]
    kernel, strides, dilations = (w["kernel"],), (w["stride"],), (w["dilation"],)
    pads, ceil = (w["begin"], w["end"]), w["ceil"]
    found = by_rule(
        "pool", operands, kernel=kernel, strides=strides, dilations=dilations, pads=pads, ceil=ceil
    )
    assert found == by_onnx(
        "MaxPool", operands, kernel_shape=kernel, strides=strides, dilations=dilations,
        pads=pads, ceil_mode=int(ceil),
    )  # fmt: skip


def test_a_pool_of_everything_leaves_one_pixel() -> None:
    assert by_rule("pool", [(2, 6, 5, 7)], everything=True) == (2, 6, 1, 1)


def test_a_transposed_conv_of_a_given_size() -> None:
    operands: list[Shape] = [(1, 4, 5, 5), (4, 3, 2, 2)]
    assert by_rule("conv_transpose", operands, groups=1, output_shape=(9, 10)) == (1, 3, 9, 10)


@pytest.mark.parametrize(
    ("op", "operands", "attrs", "why"),
    [
        ("conv", [(1, 4, 5), (8, 4, 1, 1)], {}, "conv of rank 3 with a weight of rank 4"),
        ("conv", [(1, 4, 5), (8, 3, 1)], {}, "conv of 4 channels with a weight of 3 x 1 groups"),
        ("conv", [(1, 4, 5), (8, 0, 1)], {"groups": 0}, "with a weight of 0 x 0 groups"),
        ("conv", [(1, 4, 5), (5, 2, 1)], {"groups": 2}, "2 groups and 5 filters"),
        ("conv", [(1, 4, 5), (8, 4, 1), (7,)], {}, "8 channels with a bias of shape [7]"),
        ("conv", [(1, 4, 2), (8, 4, 3)], {}, "a window of 3 does not fit into an extent of 2"),
        ("conv", [(1, 4, 5), (8, 4, 1)], {"strides": (0,)}, "strides (0,)"),
        ("conv_transpose", [(1, 4, 5), (3, 8, 1)], {}, "transposed conv of [1, 4, 5]"),
        ("conv_transpose", [(1, 4, 5), (4, 8, 1)], {"pads": (9, 9)}, "would have the shape"),
        ("pool", [(1, 4, 5)], {}, "lacks an operand, axis or attribute"),
    ],
)
def test_windows_that_do_not_fit_are_refused(
    op: str, operands: list[Shape], attrs: dict[str, Attr], why: str
) -> None:
    with pytest.raises(ValueError) as caught:
        by_rule(op, operands, **attrs)
    assert why in str(caught.value)
