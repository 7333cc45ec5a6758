"""Multiplying what is left of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Coupling, Ids, Layer
from graphprune.passes.narrow.cuts import Cut, take
from graphprune.passes.reconstruct import Patch
from graphprune.terms import Floats

# Types in which a product is rounded once only.
_WIDE = (np.dtype(np.float32), np.dtype(np.float64))


def scale(
    coupling: Coupling, name: str, wanted: Sequence[Cut], patch: Patch | None
) -> Floats | None:
    """What the cut parameter is multiplied by.

    Args:
        coupling: The groups.
        name: The parameter value.
        wanted: How it is cut.
        patch: The factors; None where all weights stay what they are.

    Returns:
        Numbers that broadcast to the shape of what is left; None where nothing changes.
    """
    if patch is None:
        return None
    found: Floats | None = None
    for layer in coupling.layers.get(name, ()):
        if patch.along(name, layer):
            numbers = patch.factors[_left(layer, wanted)]
            found = numbers if found is None else found * numbers
    return found


def _left(layer: Layer, wanted: Sequence[Cut]) -> Ids:
    """The ids of what is left."""
    ids = layer.ids
    for cut in wanted:
        # Axes along which ids do not vary have extent 1 and nothing to lose.
        if ids.shape[cut.axis] > 1 and all(ids.shape[row] > 1 for row in cut.rows):
            ids = take(ids, (cut,))
    return ids


def scaled(array: NDArray[Any], numbers: Floats | None, *, own: bool = False) -> NDArray[Any]:
    """A tensor's product with factors, in the tensor's own element type.

    Args:
        array: What is left of the tensor.
        numbers: From :func:`scale`.
        own: Whether the array may be written to, so that no second one is needed.
    """
    if numbers is None:
        return array
    if array.dtype in _WIDE:
        factors = numbers.astype(array.dtype)
        return np.multiply(array, factors, out=array) if own else np.asarray(array * factors)
    wide = array.astype(np.float32) * numbers.astype(np.float32)
    return np.asarray(wide.astype(array.dtype))
