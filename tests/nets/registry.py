"""The registry of small networks: functions that write themselves into a draft."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from tests.nets.draft import Draft

Net = Callable[[Draft], None]
NETS: dict[str, Net] = {}


def net(function: Net) -> Net:
    """Register a network under its function's name."""
    assert function.__name__ not in NETS
    NETS[function.__name__] = function
    return function


def build(name: str, seed: int = 0, dtype: str = "float32") -> onnx.ModelProto:
    """A registered network with random contents."""
    draft = Draft(seed, dtype)
    NETS[name](draft)
    return draft.proto()
