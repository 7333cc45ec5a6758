"""Networks that come with the onnx package: the old classics, every weight replaced by a constant.

As stored they are a proof on labels: all weights of a layer are equal, so the outputs hardly
tell which channel was cut. Three of them are run with drawn weights as well.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import graphprune
from graphprune.frontends.onnx import load, lower
from graphprune.ir.graph import Shape
from tests.zoo import claims

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODELS = claims.files(LIGHT, "this onnx package comes without them")


def with_drawn_weights(path: Path) -> onnx.ModelProto:
    """The model with noise for every tensor that a ConstantOfShape fills, and logits given out."""
    lowered = lower(load(path))
    shapes = {value.source: value.known_shape for value in lowered.graph.params}
    model = onnx.load(path)
    rng = np.random.default_rng(0)
    nodes = list(model.graph.node)
    if nodes[-1].op_type == "Softmax":
        # Logits this large would saturate it, and then it hides what was cut.
        output = helper.make_tensor_value_info(nodes.pop().input[0], onnx.TensorProto.FLOAT, None)
        model.graph.output[0].CopyFrom(output)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type == "ConstantOfShape" and node.output[0] in shapes:
            array = drawn(shapes[node.output[0]], rng)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        else:
            model.graph.node.append(node)
    return model


def drawn(shape: Shape, rng: np.random.Generator) -> NDArray[np.float32]:
    """He-scaled weights; vectors near one, because some of them are scales and variances."""
    if len(shape) == 1:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))


@pytest.mark.parametrize("path", MODELS, ids=claims.title)
def test_half_of_the_macs_are_cut_and_the_rest_is_proven(path: Path) -> None:
    result = graphprune.prune(path, macs=claims.MACS)
    claims.assert_proven(result, 1e-5)
    claims.assert_on_budget(result)
    claims.assert_covered(result.inspection)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121"])
def test_drawn_weights_show_the_right_channels_were_cut(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    if not path.exists():
        pytest.skip("this onnx package comes without them")
    result = graphprune.prune(with_drawn_weights(path), macs=claims.MACS)
    claims.assert_proven(result, 1e-5)
    claims.assert_on_budget(result)
