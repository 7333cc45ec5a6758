"""Evaluation mode for a while."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch.modes import evaluating, set_modes  # noqa: E402


def test_every_part_returns_to_the_mode_it_was_in() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    module[1].eval()
    with pytest.raises(RuntimeError), evaluating(module) as modes:
        assert not any(part.training for part in module.modules())
        raise RuntimeError
    assert modes == {"": True, "0": True, "1": False}
    assert {path: part.training for path, part in module.named_modules()} == modes


def test_modes_carry_over_by_path() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout()).eval()
    set_modes(module, {"": True, "1": True, "gone": True})
    assert [part.training for part in module.modules()] == [True, False, True]
