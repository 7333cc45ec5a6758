"""SynExp of models: files and modules give the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import graphprune
from graphprune.errors import BadData, UnsupportedModel
from tests.onnxtext import model as parse

CHAIN = """
    net (float[N,3] x) => (float[N,2] y) <float[4,3] a, float[4] bias, float[2,4] b> {
        h = Gemm <transB = 1> (x, a, bias)
        r = Relu (h)
        y = Gemm <transB = 1> (r, b)
    }
"""


def chain() -> onnx.ModelProto:
    """Two layers."""
    return parse(CHAIN)


def test_the_function_is_public_and_stays_one() -> None:
    assert graphprune.synexp is graphprune.synexp
    assert callable(graphprune.synexp)


def test_a_models_densities_multiply() -> None:
    model = chain()
    whole = graphprune.synexp(model)
    masked = graphprune.synexp(model, densities={"a": 0.5, "b": 0.25})
    assert masked.log - whole.log == pytest.approx(np.log(0.125))
    magnitudes = whole.magnitudes
    assert whole.value == pytest.approx(3 * 4 * 2 * magnitudes["a"] * magnitudes["b"])


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(BadData, match="its layers are: a, b"):
        graphprune.synexp(chain(), densities={"bias": 0.5})


def test_unknown_operations_are_named() -> None:
    text = """
        net (float[1,3] x) => (float[1,3] y) <float[3,3] a, int64 axis = {1}> {
            h = MatMul (x, a)
            y = CumSum (h, axis)
        }
    """
    with pytest.raises(UnsupportedModel, match="'scan' cannot be linearised"):
        graphprune.synexp(parse(text))


def test_a_module_gives_what_its_weights_say() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2, bias=False)
    )
    found = graphprune.synexp(module, torch.ones(1, 3), densities={"2.weight": 0.5}, exact=True)
    one, two = (module[i].weight.detach().abs().double().numpy() for i in (0, 2))
    assert found.value == pytest.approx(0.5 * (two @ one @ np.ones(3)).sum())
    assert found.densities == {"0.weight": 1.0, "2.weight": 0.5}
