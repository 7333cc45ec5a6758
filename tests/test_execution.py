"""Running models for their numbers: whole ones, and ones that no proto can hold."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import onnx
import pytest

import graphprune
from graphprune.data import Feeds
from graphprune.errors import BackendError
from graphprune.execution import execute
from graphprune.passes.narrow import Narrowed, materialise, replacing
from tests.onnxtext import cut, model

NET = """
    net (float[1,16,8,8] x) => (float[1,8,8,8] y)
    <float[64,16,3,3] a, float[64,64,3,3] b, float[8,64,1,1] c> {
        h = Conv<pads = [1,1,1,1]>(x, a)
        r = Relu(h)
        i = Conv<pads = [1,1,1,1]>(r, b)
        s = Relu(i)
        y = Conv(s, c)
    }
"""

PRIVATE = """
    net (float[1,4] x) => (float[1,2] y) <float[4,8] a, float[8,2] b> {
        h = MatMul(x, a)
        r = com.example.Magic(h)
        s = MatMul(r, b)
        y = Relu(s)
    }
"""


def feeds() -> list[Feeds]:
    return [{"x": np.random.default_rng(0).standard_normal((1, 16, 8, 8), np.float32)}]


def test_what_is_not_cut_yet_runs_from_a_temporary_folder() -> None:
    pytest.importorskip("onnxruntime")
    narrowed = cut(model(NET)).narrowed
    before = sorted(Path(gettempdir()).glob("graphprune-*"))
    (apart,), (whole,) = execute(narrowed, feeds()), execute(materialise(narrowed), feeds())
    assert apart["y"].tolist() == whole["y"].tolist()
    assert sorted(Path(gettempdir()).glob("graphprune-*")) == before


def test_a_model_that_no_proto_can_hold_is_proven_by_running_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("onnxruntime")
    proto = model(NET)
    narrow_write = sys.modules[replacing.__module__]
    monkeypatch.setattr(narrow_write, "_LIMIT", 20_000)
    ran: list[type] = []

    def recorded(narrowed: onnx.ModelProto | Narrowed, given: list[Feeds]) -> object:
        ran.append(type(narrowed))
        return execute(narrowed, given)

    for name, module in list(sys.modules.items()):
        if name.startswith("graphprune") and getattr(module, "execute", None) is execute:
            monkeypatch.setattr(module, "execute", recorded)
    result = graphprune.prune(proto, channels=0.5)
    assert set(ran) == {Narrowed}
    assert result.proof.masked is not None and result.proof.masked.worst <= result.proof.tolerance
    assert result.proof.ok


def test_a_model_that_cannot_be_run_names_the_way_around() -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(BackendError) as caught:
        execute(model(PRIVATE), [{"x": np.zeros((1, 4), np.float32)}])
    assert caught.value.what == "cannot build a session" and caught.value.why
    assert caught.value.fix == "prove it on labels only: run=False, --no-run on the command line"
