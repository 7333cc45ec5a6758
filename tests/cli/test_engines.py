"""Options that name an engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphprune.backends.isolated import Isolated
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.cli import engines
from graphprune.data import InputSpec
from graphprune.errors import BackendUnavailable, BadData


def test_a_backend_with_its_options() -> None:
    assert engines.backend("onnxruntime") == OnnxRuntime()
    found = engines.backend("onnxruntime", ["optimization=basic"])
    assert found == OnnxRuntime(optimization="basic")


@pytest.mark.parametrize("text", ["colour=red", "optimization", "optimization=", "weights=1"])
def test_options_it_does_not_have(text: str) -> None:
    with pytest.raises(BadData) as caught:
        engines.backend("onnxruntime", [text])
    assert caught.value.what == f"'{text}' is no option of onnxruntime"
    assert caught.value.fix == "write KEY=VALUE; its options: optimization, provider, cache"


def test_a_process_of_its_own() -> None:
    assert engines.backend("onnxruntime", isolated=True) == Isolated(OnnxRuntime())
    python = Path(sys.executable)
    found: Any = engines.backend("onnxruntime", python=python, limit=30.0)
    assert (found.python, found.build_limit, found.run_limit) == (str(python), 30.0, 30.0)
    with pytest.raises(BadData, match="only an engine in a process of its own can be ended"):
        engines.backend("onnxruntime", limit=1.0)


def test_an_interpreter_that_is_none() -> None:
    with pytest.raises(BackendUnavailable, match="cannot be used in that process") as caught:
        engines.backend("onnxruntime", python=Path("/nowhere/python"))
    assert "No such file" in str(caught.value.why)


def test_precisions() -> None:
    assert [
        engines.precision(*both) for both in ((False, False), (True, False), (False, True))
    ] == [
        "fp32",
        "fp16",
        "bf16",
    ]
    with pytest.raises(BadData, match="exclude each other"):
        engines.precision(True, True)


def test_batch_sizes() -> None:
    assert engines.batches(None) == []
    assert engines.batches("1, 8,64,8") == [1, 8, 64]
    for text in ("", "0", "1,,2", "-1", "two"):
        with pytest.raises(BadData, match="holds something else than batch sizes"):
            engines.batches(text)


def spec(name: str, *shape: int | str | None) -> InputSpec:
    return InputSpec(name, shape, np.dtype("float32"))


def test_open_batch_sizes_are_given() -> None:
    specs = (spec("x", "n", 3), spec("mask", 1, 3), spec("scale"), spec("y", None))
    shapes = {"x": (1, 3), "mask": (1, 3), "scale": (), "y": (1,)}
    assert engines.batched(specs, shapes, 8) == {**shapes, "x": (8, 3), "y": (8,)}


def test_a_fixed_batch_size_stays() -> None:
    assert engines.batched((spec("x", 4, 3),), {"x": (4, 3)}, 4) == {"x": (4, 3)}
    with pytest.raises(BadData) as caught:
        engines.batched((spec("x", 4, 3),), {"x": (4, 3)}, 8)
    assert caught.value.why == "its batch size is fixed: x: float32[4,3]"


def test_a_limit_on_memory() -> None:
    found: Any = engines.backend("onnxruntime", isolated=True, memory="4GiB")
    assert found.memory_limit == 2**32
    for text in ("much", "0.5"):
        with pytest.raises(BadData, match="is no number of bytes"):
            engines.backend("onnxruntime", isolated=True, memory=text)
    with pytest.raises(BadData, match="only an engine in a process of its own can be limited"):
        engines.backend("onnxruntime", memory="4GiB")
