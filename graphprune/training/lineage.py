"""Which units of an original the units of a module narrowed from it are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphprune.groups import Alive, Coupling, Group, Ids, Layer
from graphprune.passes.narrow.cuts import cuts, take


@dataclass(frozen=True, eq=False)
class Lineage:
    """A narrowed module's units as units of its original.

    The two couplings come from graphs of their own, so their ids have nothing in common, and
    what is coupled may differ: a grouped convolution with fewer groups left may be narrowed
    along another axis. Parameters have the same names, and that is what is gone by.

    Attributes:
        original: Coupling of the original.
        alive: Which of its units the narrowed module has.
        current: Coupling of the narrowed module.
    """

    original: Coupling
    alive: Alive
    current: Coupling

    @cached_property
    def ancestors(self) -> Ids:
        """The original's unit by unit of the narrowed module, ``(units + 1,)``; 0 for none.

        Both stand for the same elements of all parameters, or there is none.
        """
        found = np.unique(np.concatenate([*self._pairs(), np.zeros((1, 2), np.int64)]), axis=0)
        (now, before), units = found.T, (self.current.units + 1, self.original.units + 1)
        once = np.bincount(now, minlength=units[0])[now] == 1
        once &= np.bincount(before, minlength=units[1])[before] == 1
        table = np.zeros(units[0], np.int64)
        table[now[once]] = before[once]
        table[0] = 0
        return table

    @cached_property
    def parents(self) -> Mapping[str, Group]:
        """The original's group by name of a group that lies in it row by row.

        Groups of the narrowed module that are not in here cannot be narrowed in a way that a plan
        for the original could say.
        """
        groups = self.original.groups
        place = np.full((self.original.units + 1, 2), -1)  # group and row of every unit
        for i, group in enumerate(groups):
            place[group.units] = np.stack(
                np.broadcast_arrays(i, np.arange(group.rows)[:, None]), axis=-1
            )
        found = {}
        for group in self.current:
            lines = place[self.ancestors[group.units]]
            uniform = (lines == lines[:, :1]).all() and (lines[:, 0, 0] == lines[0, 0, 0]).all()
            owner = int(lines[0, 0, 0])
            if uniform and owner >= 0 and len(np.unique(lines[:, 0, 1])) == groups[owner].rows:
                found[group.name] = groups[owner]
        return found

    def followed(self, alive: Alive) -> Alive:
        """The original's units that are left.

        Args:
            alive: Whether each unit of the narrowed module lives, by its unit id.
        """
        left = self.alive.copy()
        left[self.ancestors[~alive]] = False
        left[0] = True
        return left

    def _pairs(self) -> Iterator[Ids]:
        """Units that meet at an element: ``(n, 2)``, of the narrowed module and of the original."""
        by_source = {value.source or value.name: value.name for value in self.original.graph.params}
        for value in self.current.graph.params:
            name = by_source.get(value.source or value.name)
            shape = value.known_shape
            now = {layer.axis: layer.ids for layer in self.current.layers.get(value.name, ())}
            before: dict[int, Ids] = {}
            if name is not None and self.original.shape(name, self.alive) == shape:
                before = self._survivors(name)
            nothing = np.zeros((1,) * len(shape), np.int64)
            for axis in {**now, **before}:
                ids = now.get(axis, nothing), before.get(axis, nothing)
                yield np.stack([x.ravel() for x in np.broadcast_arrays(*ids)], axis=1)

    def _survivors(self, name: str) -> dict[int, Ids]:
        """The ids of what is left of a parameter of the original, by axis."""
        wanted = cuts(self.original, name, self.alive)
        return {
            layer.axis: take(layer.ids, tuple(c for c in wanted if _varies(layer, c.axis)))
            for layer in self.original.layers.get(name, ())
        }


def _varies(layer: Layer, axis: int) -> bool:
    """Whether the ids have an extent to cut along an axis."""
    return axis == layer.axis or layer.ids.shape[axis] > 1
