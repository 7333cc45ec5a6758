"""Tensors cut to what a plan leaves of them, and laid back into their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from graphprune.passes.narrow.cuts import Cut


def taken(tensor: Any, wanted: Sequence[Cut]) -> Any:
    """The surviving part of a tensor.

    Args:
        tensor: Whole, of the rank the cuts were made for.
        wanted: From :func:`graphprune.passes.narrow.cuts.cuts`.
    """
    for cut in wanted:
        tensor = torch.take_along_dim(tensor, _index(tensor, cut), cut.axis)
    return tensor


def put_back(tensor: Any, wanted: Sequence[Cut], shape: Sequence[int]) -> Any:
    """The survivors in their places, zeros in all others.

    Args:
        tensor: What :func:`taken` gave, or was made of it.
        wanted: The same cuts.
        shape: Of the whole tensor for the example inputs; only extents of axes that were cut
            are read.
    """
    for cut in reversed(wanted):
        extents = list(tensor.shape)
        extents[cut.axis] = shape[cut.axis]
        index = _index(tensor, cut).expand(tensor.shape)
        tensor = tensor.new_zeros(extents).scatter_(cut.axis, index, tensor)
    return tensor


def _index(tensor: Any, cut: Cut) -> Any:
    """The surviving indices along an axis, in a shape that broadcasts to the tensor's."""
    extents = [1] * tensor.dim()
    for axis, size in zip(cut.rows, cut.extents, strict=True):
        extents[axis] = size
    lines = torch.from_numpy(cut.kept).reshape(*(cut.extents or (1,)), -1)
    extents[cut.axis] = lines.shape[-1]
    order = sorted((*cut.rows, cut.axis))
    if cut.rows:
        # Rows come first in the matrix, the axis that is cut last.
        lines = lines.permute([(*cut.rows, cut.axis).index(axis) for axis in order])
    return lines.reshape(extents).to(tensor.device)
