"""Training and evaluation mode of a module's parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

Modes = Mapping[str, bool]


@contextmanager
def evaluating(module: Any) -> Iterator[Modes]:
    """Have a module in evaluation mode for a while.

    Args:
        module: An nn.Module; of anything else nothing is changed.

    Yields:
        The mode every part was in, by path, and will be in again.
    """
    parts = dict(module.named_modules()) if isinstance(module, torch.nn.Module) else {}
    modes = {path: part.training for path, part in parts.items()}
    try:
        for part in parts.values():
            part.training = False
        yield modes
    finally:
        for path, part in parts.items():
            part.training = modes[path]


def set_modes(module: Any, modes: Modes) -> None:
    """Put a module's parts into the modes of the parts of the same path in another module."""
    for path, part in module.named_modules():
        part.training = modes.get(path, part.training)
