"""The claim: at half the cost, a few epochs of fine-tuning bring a network's accuracy back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import graphprune  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "finetune" / "finetune.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("finetune", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_half_the_macs_cost_less_than_half_a_point_on_the_digits(example: Any, seed: int) -> None:
    digits = example.Digits()
    model, optimizer = example.trained(digits, seed)
    before = digits.accuracy(model)
    assert before > 0.98

    result = graphprune.prune(model, digits.images[:1], macs=0.5, optimizer=optimizer)
    assert result.cost[1].macs <= 0.5 * result.cost[0].macs
    assert digits.accuracy(result.model) < before - 0.1  # there is something to bring back

    digits.train(result.model, result.optimizer, example.TUNING_EPOCHS)
    assert digits.accuracy(result.model) >= before - 0.005
