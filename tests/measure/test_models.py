"""Real engines, built, checked and timed for a moment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from graphprune.backends.base import Engine, Model, Precision, Shapes
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.onnxruntime_session import OnnxRuntimeEngine
from graphprune.data import Array
from graphprune.errors import BackendError
from graphprune.measure.models import Setting, alone, compare, sample_feeds
from graphprune.measure.paired import Pairing
from tests.backends.test_onnxruntime import linear

DIGITS = Path(__file__).resolve().parents[2] / "graphprune" / "demo_data" / "digits.onnx"
SHORT = Pairing(seconds=0.2)


@dataclass(frozen=True)
class Wrong:
    """onnxruntime, but everything comes out twice as large."""

    name: ClassVar[str] = "wrong"
    extra: ClassVar[str] = "wrong"

    def available(self) -> str | None:
        return None

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> Engine:
        engine = OnnxRuntime().build(model, threads=1)
        run = engine.run

        def doubled(feeds: Mapping[str, Array]) -> dict[str, Array]:
            return {name: 2 * array for name, array in run(feeds).items()}

        engine.run = doubled  # type: ignore[method-assign]
        return engine


def test_two_models_are_checked_and_timed_in_turns() -> None:
    seen: list[float] = []
    found = compare(DIGITS, DIGITS, threads=1, options=SHORT, progress=seen.append)
    assert found.rounds == len(seen) >= 6
    assert set(found.samples) == {"a", "b", "again"}
    assert found.error is not None
    assert 0 <= found.error < 1e-5
    assert found.conditions is not None
    assert found.conditions.threads == 1
    assert found.to_dict()["conditions"]["backend"] == "onnxruntime"
    assert found.low <= found.speedup <= found.high
    assert found.readings is not None
    assert found.to_dict()["readings"]["machine"]["cores"] >= 1


def test_wrong_outputs_are_not_timed() -> None:
    with pytest.raises(BackendError, match="computes something else than the model says"):
        compare(DIGITS, DIGITS, backend=Wrong(), options=SHORT)
    assert compare(DIGITS, DIGITS, backend=Wrong(), options=SHORT, check=False).error is None
    with pytest.raises(BackendError, match="computes something else than the model says"):
        alone(DIGITS, sample_feeds(DIGITS), Setting(Wrong()), seconds=0.1)


def test_one_model() -> None:
    feeds = sample_feeds(DIGITS, {"images": (3, 1, 8, 8)})
    setting = Setting(OnnxRuntime(), threads=1)
    found = alone(DIGITS, feeds, setting, seconds=0.05, warmup=0.0)
    assert len(found.samples) == found.latency.calls > 1
    assert found.readings is not None
    assert found.error is not None
    assert found.conditions.precision == "fp32"


def test_engines_are_built_for_the_inputs() -> None:
    feeds = sample_feeds(linear(), {"x": (3, 4)})
    with closing(Setting(OnnxRuntime()).build(linear(), feeds)) as engine:
        assert engine.inputs[0].shape == (3, 4)


def test_modules_run_on_torch() -> None:
    torch = pytest.importorskip("torch")
    wide, narrow = (torch.nn.Sequential(torch.nn.Linear(64, n), torch.nn.ReLU()) for n in (512, 8))
    found: Any = compare(
        wide, narrow, backend="torch", shapes={"input": (4, 64)}, threads=1, options=SHORT
    )
    assert found.conditions.backend == "torch (eager)"
    assert found.error == 0.0
    assert np.isfinite(found.speedup)


def test_with_transfers_whole_calls_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = sample_feeds(DIGITS)
    calls: list[int] = []

    def run(engine: Any, given: Any) -> dict[str, Array]:
        calls.append(len(given))
        return {}

    monkeypatch.setattr(OnnxRuntimeEngine, "run", run)
    setting = Setting(OnnxRuntime(), threads=1, check=False)
    within = alone(DIGITS, feeds, setting, seconds=0.01, warmup=0.0)
    assert (within.transfers, len(calls)) == (False, 1)  # only to see whether the feeds fit
    calls.clear()
    whole = alone(DIGITS, feeds, replace(setting, transfers=True), seconds=0.01, warmup=0.0)
    assert (whole.transfers, len(calls)) == (True, len(whole.samples) + 1)
    found = compare(DIGITS, DIGITS, options=SHORT, check=False, transfers=True)
    assert found.transfers
    assert found.to_dict()["transfers"]
