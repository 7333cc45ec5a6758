"""Scales of a channel have the channel's labels."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("torch.ao.quantization.fx._decomposed", reason="no decomposed quantisation")

from tests.frontends.torch.modules import body, lines, lowered, tensor  # noqa: E402

Q: Any = torch.ops.quantized_decomposed
V = tensor(2, 4)


def test_one_scale_for_all() -> None:
    def forward(s: Any, x: Any) -> Any:
        q = Q.quantize_per_tensor(x, 0.1, 0, 0, 255, torch.uint8)
        return Q.dequantize_per_tensor(q, 0.1, 0, 0, 255, torch.uint8)

    assert body(lowered(forward, V)) == lines("""
        quantize_per_tensor: uint8[2,4] = quantize(inputs_0) {axis=-1}
        dequantize_per_tensor: [2,4] = dequantize(quantize_per_tensor) {axis=-1}
    """)


def test_one_scale_a_channel() -> None:
    def forward(s: Any, x: Any) -> Any:
        w = Q.dequantize_per_channel(s.w, s.k, s.z, 0, -127, 127, torch.int8)
        return torch.nn.functional.linear(x, w)

    parts = {
        "w": torch.nn.Buffer(torch.ones(6, 4, dtype=torch.int8)),
        "k": torch.nn.Buffer(torch.ones(6)),
        "z": torch.nn.Buffer(torch.zeros(6, dtype=torch.int64)),
    }  # fmt: skip
    assert body(lowered(forward, V, **parts)) == lines("""
        dequantize_per_channel: [6,4] = dequantize(w, k, z) {axis=0}
        linear: [2,6] = contract(inputs_0, dequantize_per_channel) {equation="ak,zk->az"}
    """)


def test_simulated_scales() -> None:
    def forward(s: Any, x: Any) -> Any:
        return torch.fake_quantize_per_channel_affine(x, s.k, s.z, 1, 0, 255)

    parts = {
        "k": torch.nn.Buffer(torch.ones(4)), "z": torch.nn.Buffer(torch.zeros(4, dtype=torch.int32))
    }  # fmt: skip
    assert body(lowered(forward, V, **parts)) == lines("""
        fake_quantize_per_channel_affine: [2,4] = quantize(inputs_0, k, z) {axis=1}
    """)
