"""Interpreters that "hold TensorRT": scripts that start this one beside the fake of a version.

Nothing here has seen a GPU: what is tested with them is what this package does with TensorRT, in
every version, and not what TensorRT does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphprune.backends.tensorrt import TensorRT
from tests.cli.running import net

FAKE = Path(__file__).resolve().parent / "fake"
VERSIONS = ("8.5.3.1", "8.6.1", "10.0.1", "10.3.0", "10.16.1.11", "11.0.0.114", "11.4.0.106")

needed = [
    pytest.mark.skipif(os.name != "posix", reason="ends process groups by signals"),
]
"""Marks of every test that starts such an interpreter."""


def interpreter(folder: Path, version: str, fault: str = "", gpu: str = "Fake GPU") -> str:
    """The path of an interpreter that holds the fake of a version."""
    path = folder / f"python-{version}-{fault}-{gpu}".replace(" ", "-")
    path.write_text(
        "#!/bin/sh\n"
        f"PYTHONPATH='{FAKE}' FAKE_TENSORRT='{version}' FAKE_FAULT='{fault}' FAKE_GPU='{gpu}' "
        "OMP_NUM_THREADS=1 "
        f"PYTHONDONTWRITEBYTECODE=1 exec '{sys.executable}' \"$@\"\n"
    )
    path.chmod(0o755)
    return str(path)


def backend(
    folder: Path, version: str = "10.3.0", fault: str = "", gpu: str = "Fake GPU", **options: Any
) -> TensorRT:
    """The backend with the fake of a version."""
    return TensorRT(python=interpreter(folder, version, fault, gpu), **options)


def small(size: int | str = 4) -> onnx.ModelProto:
    """Three convolutions with an open batch; see `net`."""
    return net(size=size)


def images(batch: int = 2, size: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {"x": rng.standard_normal((batch, 3, size, size)).astype(np.float32)}


def model(nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any],
          weights: dict[str, Any], opset: int = 17) -> onnx.ModelProto:  # fmt: skip
    """A model by hand; inputs and outputs are element type and shape."""
    infos = [
        [helper.make_tensor_value_info(name, *one) for name, one in side.items()]
        for side in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "made", infos[0], infos[1], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def quantised() -> onnx.ModelProto:
    """One product whose input is rounded to 8 bits, opset 13."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="dequantise"),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="product"),
    ]
    weights = {
        "s": np.float32(0.05),
        "z": np.int8(0),
        "w": np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32),
    }
    floats = TensorProto.FLOAT
    return model(nodes, {"x": (floats, [2, 4])}, {"y": (floats, [2, 3])}, weights, 13)
