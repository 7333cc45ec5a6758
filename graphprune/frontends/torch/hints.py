"""Concrete sizes: what symbolic ones are for the example inputs."""

from __future__ import annotations

from typing import Any

import torch

from graphprune.ir.graph import Shape

Number = int | float | bool
_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)


def is_number(value: Any) -> bool:
    """Whether a traced value is a number of Python's, symbolic or not."""
    return isinstance(value, (int, float, bool, *_SYMBOLIC))


def number(value: Any) -> Number | None:
    """A number for the example inputs; None where it depends on what tensors hold."""
    if isinstance(value, _SYMBOLIC):
        hint: Number | None = value.node.hint
        return hint
    return value if isinstance(value, int | float | bool) else None


def shape(tensor: Any) -> Shape | None:
    """The shape of a traced tensor; None where an extent depends on what tensors hold."""
    sizes = [number(size) for size in tensor.shape]
    if any(size is None for size in sizes):
        return None
    return tuple(int(size) for size in sizes if size is not None)


def dtype(tensor: Any) -> str:
    """NumPy's name of a tensor's element type."""
    return str(tensor.dtype).removeprefix("torch.")
