"""ONNX models written a line at a time, and small networks of every kind built from them."""

from tests.nets import images, norms, quantised, sequences, tricky
from tests.nets.draft import Draft
from tests.nets.registry import NETS, build

__all__ = ["NETS", "Draft", "build", "images", "norms", "quantised", "sequences", "tricky"]
