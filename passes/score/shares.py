"""The largest share that any channel has in any of the sums that a layer computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Ids
from graphprune.terms import Floats

Array = NDArray[Any]

TINY = 1.1921e-7
"""Sums up to this count as nothing, and no channel has a share in them."""

# Shares that are held at a time: they stay in a processor's cache.
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Elements:
    """Which of the elements that a layer sums over belong to which unit.

    Attributes:
        blocks: Units with equally many elements: their ids ``(J,)``, and where these lie among
            all elements ``(J, T)``.
    """

    blocks: tuple[tuple[Ids, Ids], ...]

    @classmethod
    def of(cls, ids: Ids) -> Elements:
        """Sorts elements by their units; those of unit 0 only count in the sums.

        Args:
            ids: Unit id of every element, ``(E,)``.
        """
        order = np.argsort(ids, kind="stable")
        units, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
        blocks = []
        for size in np.unique(counts[units > 0]):
            chosen = (counts == size) & (units > 0)
            blocks.append((units[chosen], order[starts[chosen][:, None] + np.arange(size)]))
        return cls(tuple(blocks))


def raise_shares(
    largest: Floats, weights: Array, inputs: Array, elements: Elements, *, edge: bool = False
) -> None:
    """Raises every unit's largest share so far to what it is on more inputs.

    Weights and inputs are split by their signs into four layers whose summands are all
    non-negative, and a share is a unit's part of such a sum.

    Source: Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020,
    section 3, the empirical sensitivity: the largest relative contribution of a channel to any
    entry of the layer's result; section 3.3 for weights and inputs of both signs.

    Args:
        largest: Shares by unit id, changed in place.
        weights: ``(O, E)``: what each result multiplies the elements by.
        inputs: ``(E, P)``: the elements, for every patch.
        elements: The units that the elements belong to.
        edge: A share is one element's part, not that of all elements of a unit together.
    """
    signed = list(_signs(inputs))
    for weight in _signs(weights):
        laid = [np.ascontiguousarray(weight[:, at].transpose(1, 0, 2)) for _, at in elements.blocks]
        for values in signed:
            sums = weight @ values
            inverse = np.zeros_like(sums)
            np.divide(1, sums, out=inverse, where=sums > TINY)
            for (units, at), block in zip(elements.blocks, laid, strict=True):
                found = _shares(block, values[at], inverse, edge)
                largest[units] = np.maximum(largest[units], found)


def _signs(array: Array) -> Iterator[Array]:
    """The positive part and the magnitude of the negative part, where there are any or NaN."""
    if not array.max(initial=0) <= 0:
        yield np.maximum(array, 0)
    if not array.min(initial=0) >= 0:
        yield np.maximum(-array, 0)


def _shares(weights: Array, inputs: Array, inverse: Array, edge: bool) -> Floats:
    """The largest shares of ``J`` units, ``(J,)``.

    Args:
        weights: ``(J, O, T)``.
        inputs: ``(J, T, P)``.
        inverse: One over the sums, 0 for sums that are nothing; ``(O, P)``.
        edge: See :func:`raise_shares`.
    """
    units, taps = weights.shape[0], weights.shape[2]
    step = max(1, _BLOCK // max(1, inverse.size))
    found = np.zeros(units)
    for i in range(0, units, step):
        part = slice(i, i + step)
        if edge or taps == 1:
            for t in range(taps):
                # The weight is the same for every patch, so it can be multiplied by afterwards.
                best = (inputs[part, t, None, :] * inverse).max(axis=2) * weights[part, :, t]
                found[part] = np.maximum(found[part], best.max(axis=1))
        else:
            shares = np.matmul(weights[part], inputs[part])
            shares *= inverse
            found[part] = shares.max(axis=(1, 2))
    return found
