"""How many channels of a rebuilt network stand for each unit of the original.

A network that is rebuilt may lose units and may gain them. The units it gains have no place in the
original, but each is coupled exactly as the last one of its group is; so that one stands for
itself and for them: its *copies* are one more than there are new channels. Removed units have
none, all others one. New channels come right behind the last old one, wherever it lies: in the
middle of an axis where a concat joins several groups, once in each gate of a recurrent cell, and
with all the places of a feature map that was flattened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Alive, Copies, Coupling, Ids

FRESH = -1
"""Stands, in a list of kept indices, for a channel that the original has not."""


def copies_of(coupling: Coupling, widths: Mapping[str, int]) -> Copies:
    """The first units of every group up to its width, and the last one once more for each new.

    Args:
        coupling: The network's groups.
        widths: Units in a row by the group's name; groups that are not named keep theirs.

    Returns:
        How many channels stand for each unit, by unit id.

    Raises:
        ValueError: There is no such group, or one would be left without channels.
    """
    unknown = widths.keys() - {group.name for group in coupling}
    if unknown:
        raise ValueError(f"there is no group {', '.join(sorted(unknown))}")
    copies = coupling.everything().astype(np.int64)
    for group in coupling:
        width = int(widths.get(group.name, group.width))
        if width < 1:
            raise ValueError(f"{group.name} would have {width} channels")
        copies[group.units[:, width:]] = 0
        copies[group.units[:, -1:]] += max(0, width - group.width)
    return copies


def grown(coupling: Coupling, copies: Copies) -> tuple[str, ...]:
    """The groups that are wider afterwards.

    Args:
        coupling: The network's groups.
        copies: How many channels stand for each unit.
    """
    return tuple(group.name for group in coupling if (copies[group.units] > 1).any())


def repeated(line: Ids, copies: NDArray[Any]) -> Ids:
    """The old index of every element along an axis, those of new ones being repeated.

    Args:
        line: Units along the axis as it was.
        copies: How many stand for each of its elements; alike for elements of one unit.
    """
    if copies.max(initial=0) <= 1:
        return np.flatnonzero(copies)
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    runs = np.split(np.arange(len(line)), starts[1:])
    # Elements of one unit that lie together are what other axes were flattened to.
    return np.concatenate([np.tile(run, int(copies[run[0]])) for run in runs])


def is_new(index: Ids) -> Alive:
    """Which elements along an axis the original has not.

    Args:
        index: The old index of every element, as :func:`repeated` gives it.
    """
    new = np.ones(len(index), np.bool_)
    new[np.unique(index, return_index=True)[1]] = False
    return new


def marked(line: Ids, copies: NDArray[Any]) -> Ids:
    """As :func:`repeated`, with :data:`FRESH` for elements that the original has not."""
    index = repeated(line, copies)
    return np.where(is_new(index), FRESH, index)


def counted(line: Ids, index: Ids) -> dict[int, int]:
    """How many channels stand for the units that new ones follow: :func:`marked` undone.

    Args:
        line: Units along the axis as it was.
        index: What is kept of it.

    Raises:
        ValueError: New elements follow nothing, or do not make whole channels.
    """
    old = index >= 0
    if len(index) and not old[0]:
        raise ValueError("there are new channels before any old one")
    owner = line[index[np.maximum.accumulate(np.where(old, np.arange(len(index)), 0))]]
    found: dict[int, int] = {}
    for unit in np.unique(owner[~old]).tolist():
        mine = owner == unit
        fresh, kept = int((mine & ~old).sum()), int((mine & old).sum())
        if fresh % kept:
            raise ValueError(f"{fresh} new elements are no whole channels of {kept} elements")
        found[unit] = 1 + fresh // kept
    return found
