"""Calls as they are in evaluation mode."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch.evaluation import differentiable, evaluated  # noqa: E402

ATEN = torch.ops.aten


def test_dropout_and_batch_statistics_are_off() -> None:
    x = torch.randn(4, 3)
    target = ATEN.dropout.default
    args, kwargs = evaluated(target, (x, 0.5, True), {})
    assert torch.equal(target(*args, **kwargs), x)
    target, zeros, ones = ATEN.batch_norm.default, torch.zeros(3), torch.ones(3)
    given = (x, None, None, zeros, ones, True, 0.1, 0.0, False)
    args, kwargs = evaluated(target, given, {})
    torch.testing.assert_close(target(*args, **kwargs), x)


def test_a_norm_without_running_statistics_keeps_those_of_the_batch() -> None:
    given = (torch.randn(4, 3), None, None, None, None, True, 0.1, 0.0, False)
    args, kwargs = evaluated(ATEN.batch_norm.default, given, {})
    assert (
        kwargs.get("training", True)
        and torch.isfinite(ATEN.batch_norm.default(*args, **kwargs)).all()
    )


def test_calls_without_a_mode_stay_as_they_are() -> None:
    x = torch.randn(2)
    for change in (evaluated, differentiable):
        assert change(ATEN.relu.default, (x,), {}) == ((x,), {})
        assert change(len, (x,), {}) == ((x,), {})


def test_recurrent_layers_remember_what_gradients_need() -> None:
    torch.manual_seed(0)
    cell, x = torch.nn.LSTM(3, 4, 2, dropout=0.5).eval(), torch.randn(5, 2, 3)
    state = [torch.zeros(2, 2, 4)] * 2
    given = (x, state, [p.detach() for p in cell.parameters()], True, 2, 0.5, False, False, False)
    args, kwargs = differentiable(ATEN.lstm.input, given, {})
    assert kwargs["train"]
    torch.testing.assert_close(ATEN.lstm.input(*args, **kwargs)[0], cell(x)[0].detach())
