"""The command line run in the process, on models small enough to be written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from graphprune.cli.app import app

DEMO = Path(__file__).resolve().parents[2] / "graphprune" / "demo_data"
DIGITS = DEMO / "digits.onnx"

FOREIGN = "acme"
"""A domain whose operators no engine knows."""


def run(*words: object) -> Result:
    """Runs one command; whatever it raises on its way out is a failure of the test."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    return json.loads(result.stdout)


def net(*, foreign: bool = False, size: int | str = 8, seed: int = 0) -> onnx.ModelProto:
    """Three convolutions a, b and c; between b and c a ReLU, or an operator nobody knows."""
    rng = np.random.default_rng(seed)
    shapes = {"a.weight": (16, 3, 3, 3), "b.weight": (8, 16, 3, 3), "c.weight": (4, 8, 1, 1)}
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    middle = ("Magic", FOREIGN) if foreign else ("Relu", "")
    nodes = [
        helper.make_node("Conv", ["x", "a.weight"], ["h1"], name="a", pads=[1] * 4),
        helper.make_node("Relu", ["h1"], ["h2"], name="r"),
        helper.make_node("Conv", ["h2", "b.weight"], ["h3"], name="b", pads=[1] * 4),
        helper.make_node(middle[0], ["h3"], ["h4"], name="m", domain=middle[1]),
        helper.make_node("Conv", ["h4", "c.weight"], ["y"], name="c"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
        value_info=[helper.make_tensor_value_info("h4", TensorProto.FLOAT, ["n", 8, size, size])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FOREIGN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def saved(folder: Path, model: onnx.ModelProto, name: str = "net.onnx") -> Path:
    """The path of a model written to a folder."""
    path = folder / name
    onnx.save(model, path)
    return path


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
