"""Products of contributions, against those of every single result."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from graphprune.passes.score.contributions import grams
from tests.onnxtext import model
from tests.passes.score.measured import evidence_of

LINEAR = """
    net (float[N,3] x) => (float[N,1] y) <float[3,4] a, float[4,1] b> {
        h = MatMul(x, a)
        r = Relu(h)
        y = MatMul(r, b)
    }
"""

CONV = """
    net (float[N,2,5,5] x) => (float[N,1,3,3] y) <float[3,2,1,1] a, float[1,3,3,3] b> {
        h = Conv(x, a)
        y = Conv(h, b)
    }
"""


def test_a_linear_layer_of_one_result() -> None:
    proto, rng = model(LINEAR), np.random.default_rng(0)
    x = rng.standard_normal((20, 3)).astype(np.float32)
    found, notes = grams(*evidence_of(proto, [{"x": x[:12]}, {"x": x[12:]}]), "thinet", 10, 0)
    a, b = (numpy_helper.to_array(t).astype(np.float64) for t in proto.graph.initializer)
    parts = np.maximum(x @ a, 0) * b[:, 0]
    np.testing.assert_allclose(found["g1"], parts.T @ parts, rtol=1e-5, atol=1e-6)
    assert notes == ()


def test_a_convolution_adds_up_the_taps_of_a_channel() -> None:
    proto, rng = model(CONV), np.random.default_rng(0)
    x = rng.standard_normal((2, 2, 5, 5)).astype(np.float32)
    found, _ = grams(*evidence_of(proto, [{"x": x}]), "thinet", 9, 0)
    a, b = (numpy_helper.to_array(t).astype(np.float64) for t in proto.graph.initializer)
    h = np.einsum("oi,nihw->nohw", a[:, :, 0, 0], x)
    windows = np.lib.stride_tricks.sliding_window_view(h, (3, 3), (2, 3))
    parts = np.einsum("nchwij,cij->nhwc", windows, b[0]).reshape(-1, 3)
    np.testing.assert_allclose(found["g1"], parts.T @ parts, rtol=1e-5, atol=1e-6)


def test_fewer_samples_are_fewer_results() -> None:
    proto, rng = model(CONV), np.random.default_rng(0)
    x = rng.standard_normal((200, 2, 5, 5)).astype(np.float32)
    given = evidence_of(proto, [{"x": x}])
    some, all_of_them = (grams(*given, "thinet", n, 0)[0]["g1"].trace() for n in (3, 9))
    assert 0.25 < some / all_of_them < 0.42
