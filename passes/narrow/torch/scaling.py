"""Multiplying what is left of a tensor where it lies."""

from __future__ import annotations

from typing import Any

import torch

from graphprune.terms import Floats


def scaled(tensor: Any, numbers: Floats | None) -> Any:
    """A tensor's product with factors: same element type, device and order of memory.

    Args:
        tensor: What is left; it is only read.
        numbers: From :func:`graphprune.passes.narrow.scales.scale`.
    """
    if numbers is None:
        return tensor
    factors = torch.from_numpy(numbers).to(tensor.device)
    data = tensor.detach()
    if data.dtype in (torch.float32, torch.float64):
        return data * factors.to(data.dtype)
    return (data.to(torch.float32) * factors.to(torch.float32)).to(data.dtype)
