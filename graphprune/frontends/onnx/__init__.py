"""ONNX files and protos: read, checked, lowered to the neutral graph."""

from graphprune.frontends.onnx.load import load
from graphprune.frontends.onnx.lower import Lowered, lower
from graphprune.frontends.onnx.model import OnnxModel

__all__ = ["Lowered", "OnnxModel", "load", "lower"]
