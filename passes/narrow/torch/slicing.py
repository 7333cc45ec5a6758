"""Taking the surviving part of a tensor where it lies, without a detour over NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from graphprune.passes.narrow.cuts import Cut


def take(tensor: Any, wanted: Sequence[Cut]) -> Any:
    """The surviving part of a tensor: same element type, device and order of memory.

    Args:
        tensor: The whole tensor; it is only read.
        wanted: From :func:`graphprune.passes.narrow.cuts`.
    """
    if not wanted:
        return tensor
    order = _memory_order(tensor)
    data = tensor.detach()
    narrow_float = data.is_floating_point() and data.element_size() == 1
    if narrow_float:
        data = data.view(torch.uint8)  # few operators know floats of eight bits
    for cut in wanted:
        data = _rows(data, cut) if cut.rows else _plain(data, cut)
    if narrow_float:
        data = data.view(tensor.dtype)
    return _ordered(data, order)


def _plain(tensor: Any, cut: Cut) -> Any:
    index = torch.from_numpy(cut.kept[0]).to(tensor.device)
    return tensor.index_select(cut.axis, index)


def _rows(tensor: Any, cut: Cut) -> Any:
    """Every row keeps other indices, equally many."""
    order = [*cut.rows, cut.axis]
    order += [i for i in range(tensor.ndim) if i not in order]
    moved = tensor.permute(order)
    rest = moved.shape[len(cut.rows) + 1 :]
    flat = moved.reshape(-1, tensor.shape[cut.axis], *rest)
    index = torch.from_numpy(cut.kept).to(tensor.device)
    index = index.reshape(*index.shape, *(1 for _ in rest)).expand(-1, -1, *rest)
    picked = flat.gather(1, index).reshape(*cut.extents, -1, *rest)
    return picked.permute([order.index(i) for i in range(tensor.ndim)])


def _memory_order(tensor: Any) -> list[int]:
    """Axes from the slowest to the fastest in memory; ``channels_last`` is such an order."""
    return sorted(range(tensor.ndim), key=lambda i: (-tensor.stride(i), i))


def _ordered(tensor: Any, order: list[int]) -> Any:
    """A dense copy whose axes lie in memory in a given order."""
    back = [order.index(i) for i in range(tensor.ndim)]
    return tensor.permute(order).contiguous().permute(back)
