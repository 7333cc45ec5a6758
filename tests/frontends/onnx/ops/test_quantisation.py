"""Scales of whole tensors and along an axis."""

from __future__ import annotations

import pytest

from tests.onnxtext import emitted

INITS = "float s_scale, float[4] c_scale, int8[4] z, uint8 u, float[2,2] b_scale, float[1] o_scale"


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ("QuantizeLinear(x, s_scale, u)", "uint8[2,4] = quantize(x, s_scale, u) {axis=-1}"),
        ("QuantizeLinear(x, s_scale)", "uint8[2,4] = quantize(x, s_scale) {axis=-1}"),
        ("QuantizeLinear<axis = -1>(x, c_scale, z)",
         "int8[2,4] = quantize(x, c_scale, z) {axis=1}"),
        ("QuantizeLinear(x, o_scale)", "uint8[2,4] = quantize(x, o_scale) {axis=-1}"),
        ("QuantizeLinear<output_dtype = 3>(x, s_scale)",
         "int8[2,4] = quantize(x, s_scale) {axis=-1}"),
        ("QuantizeLinear<block_size = 2>(x, b_scale)",
         'uint8[2,4] = opaque(x, b_scale) {reason="blocked quantisation", type="QuantizeLinear"}'),
    ],
)  # fmt: skip
def test_quantise(node: str, line: str) -> None:
    assert emitted(f"y = {node}", "float[2,4] x", INITS, opset=21) == [f"y: {line}"]


def test_dequantised_numbers_have_the_scale_s_type() -> None:
    lines = emitted("y = DequantizeLinear(x, s)", "uint8[2,4] x", "float16 s", opset=21)
    assert lines == ["y: float16[2,4] = dequantize(x, s) {axis=-1}"]
