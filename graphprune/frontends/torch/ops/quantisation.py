"""Quantisation: scales and zero points of a tensor or along an axis."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import lowers


def _operand(call: Call) -> str:
    return call.every_tensor()[0]


@lowers("quantized_decomposed::quantize_per_tensor")
def quantize(call: Call, builder: Builder) -> str:
    """To integers, one scale for all."""
    return builder.emit("quantize", [_operand(call)], axis=-1)


@lowers("quantized_decomposed::dequantize_per_tensor")
def dequantize(call: Call, builder: Builder) -> str:
    """Back to real numbers, one scale for all."""
    return builder.emit("dequantize", [_operand(call)], axis=-1)


def _per_channel(call: Call, builder: Builder, op: str) -> str:
    operands = [n for n in call.every_tensor() if n]
    axis = call.axis(builder.rank(operands[0]), "axis")
    return builder.emit(op, operands, axis=axis)


@lowers("quantized_decomposed::quantize_per_channel", "fake_quantize_per_channel_affine")
def quantize_channels(call: Call, builder: Builder) -> str:
    """To integers, one scale a channel."""
    return _per_channel(call, builder, "quantize")


@lowers("quantized_decomposed::dequantize_per_channel")
def dequantize_channels(call: Call, builder: Builder) -> str:
    """Back to real numbers, one scale a channel."""
    return _per_channel(call, builder, "dequantize")
