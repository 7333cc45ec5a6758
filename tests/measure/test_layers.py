"""Layers of two models beside each other."""

from __future__ import annotations

from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.measure.layers import LayerTime, joined, per_layer
from graphprune.measure.models import Setting
from tests.backends.test_onnxruntime import linear, ones


def test_layers_are_joined_by_name() -> None:
    assert joined({"a": 1.0, "b": 2.0}, {"b": 1.5, "c": 0.5}) == (
        LayerTime("a", 1.0, None),
        LayerTime("b", 2.0, 1.5),
        LayerTime("c", None, 0.5),
    )
    assert joined({"a": 1.0}) == (LayerTime("a", 1.0, None),)


def test_real_layers_have_times() -> None:
    setting = Setting(OnnxRuntime(optimization="none"), threads=1)
    both = (linear(("Gemm", "Relu")), linear(("Gemm", "Relu", "Sigmoid")))
    found = per_layer(both, ones(), setting, seconds=0.05)
    assert len(found) == 3
    assert [(one.before is None, one.after is None) for one in found] == [
        (False, False),
        (False, False),
        (True, False),
    ]
    assert all(time > 0 for one in found for time in (one.before, one.after) if time is not None)
    [alone] = per_layer([linear()], ones(), setting, seconds=0.05)
    assert alone.after is None
