"""Leaving a module as it was: what its own code changes while it is traced is set back.

torch.export runs the module on tensors without contents, and the module may keep some of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def as_it_was(module: Any) -> Iterator[None]:
    """Give a module and its parts back every attribute, parameter, buffer, mode and hook.

    Args:
        module: An nn.Module. Attributes that are lists, dictionaries or sets get their contents
            back too; what they contain is not looked into.
    """
    parts = [(part, dict(part.__dict__)) for part in module.modules()]
    held = [x for _, before in parts for x in before.values() if isinstance(x, list | dict | set)]
    contents = [(container, container.copy()) for container in held]
    try:
        yield
    finally:
        for part, before in parts:
            _refill(part.__dict__, before)
        for container, copy in contents:
            _refill(container, copy)


def _refill(container: Any, before: Any) -> None:
    """Put back what a container held, unless it still does."""
    if _identities(container) == _identities(before):
        return
    container.clear()
    if isinstance(container, list):
        container.extend(before)
    else:
        container.update(before)


def _identities(container: Any) -> Any:
    """What tells contents apart without comparing them: tensors do not compare to a truth."""
    if isinstance(container, dict):
        return [(key, id(value)) for key, value in container.items()]
    found = [id(item) for item in container]
    return found if isinstance(container, list) else set(found)


@contextmanager
def operator_by_operator() -> Iterator[None]:
    """Keep transformer layers from running as one fused operator without a rule."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
