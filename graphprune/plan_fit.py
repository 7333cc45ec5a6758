"""Which units of a model live by a plan, or the first difference between the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import PlanMismatch
from graphprune.groups import Alive, Coupling, Ids, Layer
from graphprune.plan_json import PlannedGroup
from graphprune.scores import Selection

Kept = Mapping[str, Ids]
Numbers = Mapping[str, NDArray[np.float64]]


def layer_key(layer: Layer) -> str:
    """How plans name the axes along which a layer varies: ``"0"``, with rows ``"0,1"``."""
    return ",".join(map(str, _axes(layer)))


def layer_table(layer: Layer) -> Ids:
    """The ids with one axis for each axis of the layer's key."""
    axes = _axes(layer)
    moved = np.moveaxis(layer.ids, axes, range(len(axes)))
    return moved.reshape(moved.shape[: len(axes)])


def param_layers(coupling: Coupling) -> Iterator[tuple[str, Layer]]:
    """Every parameter that may be narrowed, with its layers."""
    for value in coupling.graph.params:
        for layer in coupling.layers.get(value.name, ()):
            yield value.name, layer


@dataclass(frozen=True, eq=False)
class Expected:
    """What a plan keeps of one parameter of the model.

    Attributes:
        name: The parameter.
        axes: Kept indices as :attr:`graphprune.plan.Plan.kept` has them; empty where it loses
            nothing.
        guessed: Whether it was guessed which parameter of the plan it is; guesses are believed
            where two agree.
        factors: What kept indices are multiplied by, as in
            :attr:`graphprune.plan.Plan.factors`.
    """

    name: str
    axes: Kept
    guessed: bool = False
    factors: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Wording:
    """What messages say of a plan that does not fit.

    Attributes:
        why: What it was made for.
        fix: How to get one that fits.
        hint: What is added where something of the plan is not in the model.
    """

    why: str
    fix: str
    hint: str = ""


class Fit:
    """Carries a plan over to a coupling, and checks that nothing is left over or contradicted."""

    def __init__(
        self,
        coupling: Coupling,
        expected: Sequence[Expected],
        groups: Sequence[PlannedGroup],
        wording: Wording,
    ) -> None:
        """Finds the units that live.

        Args:
            coupling: The model's groups.
            expected: What the plan keeps of parameters of the model. Nothing is asked of those
                that are not listed.
            groups: The groups of the plan.
            wording: For messages.

        Raises:
            PlanMismatch: The plan does not fit.
        """
        self.coupling = coupling
        self.groups = groups
        self.wording = wording
        self.alive = coupling.everything()
        self._factors = np.full(len(self.alive), np.nan)
        for each in expected:
            for key, index in each.axes.items():
                self._kill(each.name, key, index)
        for each in expected:
            self._check_layers(each.name, each.axes)
        self._check_groups()
        self._check_witnesses(expected)
        for each in expected:
            for key, numbers in each.factors.items():
                self._multiply(each, key, numbers)

    @property
    def selection(self) -> Selection:
        """The units that live, and what their readers are multiplied by."""
        known = ~np.isnan(self._factors)
        if not known.any():
            return Selection(self.alive)
        return Selection(self.alive, np.where(known, self._factors, 1.0))

    @cached_property
    def layers(self) -> dict[str, dict[str, Layer]]:
        """The model's layers by parameter and key."""
        found: dict[str, dict[str, Layer]] = {}
        for name, layer in param_layers(self.coupling):
            found.setdefault(name, {})[layer_key(layer)] = layer
        return found

    def _kill(self, name: str, key: str, index: Ids) -> None:
        layer = self.layers.get(name, {}).get(key)
        if layer is None:
            value = self.coupling.graph.values.get(name)
            if value is None or value.kind != "param":
                raise self._mismatch(f"the model has no parameter '{name}'", f"parameter {name}")
            raise self._mismatch(
                f"axis {key} of '{name}' cannot be narrowed in this model",
                f"axis {key} of {name}, of shape {list(value.shape or ())}",
            )
        units = layer_table(layer)
        if np.any(index.max(axis=0, initial=-1) >= np.array(units.shape)):
            raise self._mismatch(
                f"the plan keeps index {index.max(axis=0).tolist()} of '{name}', of which "
                f"there are {list(units.shape)}",
                f"axis {key} of {name}",
            )
        dead = units[~_mask(units, index)]
        if not dead.all():
            raise self._mismatch(
                f"the plan removes channels of '{name}' that are frozen in this model",
                f"axis {key} of {name}",
            )
        self.alive[dead] = False

    def _check_layers(self, name: str, axes: Kept) -> None:
        for key, layer in self.layers.get(name, {}).items():
            units = layer_table(layer)
            index = axes.get(key)
            kept = np.True_ if index is None else _mask(units, index)
            if np.any(self.alive[units] != kept):
                raise self._mismatch(
                    f"the plan keeps other channels along axis {key} of '{name}' than along the "
                    "axes it is coupled with",
                    f"axis {key} of {name}",
                )

    def _multiply(self, each: Expected, key: str, numbers: NDArray[np.float64]) -> None:
        """Give units the factors that the plan has for the indices of one parameter."""
        where = f"factors for axis {key} of {each.name}"
        layer = self.layers.get(each.name, {}).get(key)
        if layer is None:
            raise self._mismatch(
                f"axis {key} of '{each.name}' cannot be multiplied in this model", where
            )
        units = layer_table(layer)
        index = each.axes.get(key)
        ids = units.ravel() if index is None else units[tuple(index.reshape(len(index), -1).T)]
        if len(ids) != len(numbers):
            raise self._mismatch(
                f"the plan has {len(numbers)} factors for '{each.name}', which keeps {len(ids)} "
                "channels",
                where,
            )
        new = np.isnan(self._factors[ids])
        self._factors[ids[new]] = numbers[new]
        if np.any(self._factors[ids] != numbers) or np.any(numbers[ids == 0] != 1):
            raise self._mismatch(
                f"the plan multiplies channels of '{each.name}' by several numbers", where
            )

    def _check_groups(self) -> None:
        planned = Counter((g.width, g.kept, g.rows) for g in self.groups if g.kept < g.width)
        for group in self.coupling:
            counts = np.count_nonzero(self.alive[group.units], axis=1)
            kept = int(counts[0])
            if kept == group.width and (counts == kept).all():
                continue
            planned.subtract([(group.width, kept, group.rows)])
            if (counts != kept).any() or planned[group.width, kept, group.rows] < 0:
                raise self._mismatch(
                    f"{group.name} would go from {group.width} to "
                    f"{' or '.join(map(str, np.unique(counts)))} units, which no group of the "
                    "plan does",
                    f"group {group.name}: {' '.join(map(str, group.members))}",
                )
        for (width, kept, _), count in planned.items():
            if count:
                raise self._mismatch(
                    f"the plan has a group {width} -> {kept} that this model has not",
                    self.wording.hint or "groups of the plan",
                )

    def _check_witnesses(self, expected: Sequence[Expected]) -> None:
        witnesses = np.zeros(len(self.alive), np.int64)
        for each in expected:
            ids = [self.layers[each.name][key].ids.ravel() for key in each.axes]
            if ids:
                witnesses[np.unique(np.concatenate(ids))] += 1 if each.guessed else 2
        for group in self.coupling:
            dead = group.units[~self.alive[group.units]]
            if np.any(witnesses[dead] < 2):
                raise self._mismatch(
                    f"what the plan keeps of {group.name} cannot be told: it was only guessed "
                    "which parameter one of its own is",
                    f"group {group.name}: {' '.join(map(str, group.members))}"
                    + (f"; {self.wording.hint}" if self.wording.hint else ""),
                )

    def _mismatch(self, what: str, where: str) -> PlanMismatch:
        return PlanMismatch(what, where=where, why=self.wording.why, fix=self.wording.fix)


def _axes(layer: Layer) -> tuple[int, ...]:
    return (*layer.rows, layer.axis)


def _mask(units: Ids, index: Ids) -> Alive:
    mask = np.zeros(units.shape, dtype=np.bool_)
    mask[tuple(index.reshape(len(index), -1).T)] = True
    return mask
