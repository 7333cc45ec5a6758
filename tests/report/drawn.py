"""Inspections of small models that reports are made of."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from graphprune.inspection import Inspection, inspect

DIGITS = Path(__file__).resolve().parents[2] / "graphprune" / "demo_data" / "digits.onnx"


@cache
def digits() -> Inspection[Any]:
    """The network of the demo."""
    return inspect(DIGITS)


def layers() -> onnx.ModelProto:
    """One of each: grouped, depthwise and transposed convolution, linear, layer norm, LSTM."""
    rng = np.random.default_rng(0)
    shapes = {
        "stem.weight": (8, 3, 3, 3), "onnx::Conv_7": (8, 4, 1, 1), "onnx::Conv_8": (8, 1, 3, 3),
        "up.weight": (8, 6, 2, 2), "val_9": (6, 12), "mlp.0.bias": (12,), "norm.weight": (12,),
        "w": (1, 20, 12), "r": (1, 20, 5), "head.weight": (5, 4),
    }  # fmt: skip
    tensors = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    tensors.append(numpy_helper.from_array(np.array([2, 3], np.int64), "hw"))
    tensors.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    nodes = [
        helper.make_node("Conv", ["x", "stem.weight"], ["a"], name="stem", pads=[1] * 4),
        helper.make_node("Conv", ["a", "onnx::Conv_7"], ["b"], name="/grouped/Conv", group=2),
        helper.make_node("Conv", ["b", "onnx::Conv_8"], ["c"], name="/dw/Conv", group=8),
        helper.make_node("ConvTranspose", ["c", "up.weight"], ["d"], name="up"),
        helper.make_node("ReduceMean", ["d"], ["e"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["e", "val_9"], ["f"], name="node_MatMul_3"),
        helper.make_node("Add", ["f", "mlp.0.bias"], ["g"], name="node_add"),
        helper.make_node("LayerNormalization", ["g", "norm.weight"], ["h"], name="norm"),
        helper.make_node("Unsqueeze", ["h", "one"], ["i"]),
        helper.make_node("LSTM", ["i", "w", "r"], ["", "state"], name="lstm", hidden_size=5),
        helper.make_node("MatMul", ["state", "head.weight"], ["y"], name="head"),
    ]
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@cache
def mixed() -> Inspection[Any]:
    """The model of :func:`layers`."""
    return inspect(layers())
