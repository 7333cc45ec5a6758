"""Plan: which indices of which parameters a narrowed network keeps, as a file.

A plan names everything by the model's own names, so it fits any fresh copy of the model.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from graphprune import plan_json
from graphprune.budget import Budget
from graphprune.errors import PlanMismatch
from graphprune.groups import Alive, Coupling, Group, Ids, Layer
from graphprune.plan_json import FORMAT, PlannedGroup, Source

__all__ = ["FORMAT", "Budget", "Plan", "PlannedGroup", "Source"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What to keep of a network, and how that was decided.

    Attributes:
        source: The model the plan was made for.
        method: How the units were chosen: ``criterion``, ``allocation``, ``round_to`` ...
        budget: What was asked for.
        seed: Seed of whatever was drawn at random.
        versions: Versions of the programs that made the plan, by name.
        groups: Widths before and after.
        kept: For every parameter that loses something: the kept indices by axis, ``(n,)`` for an
            axis such as ``"0"``; where the rows of other axes keep different indices, index
            tuples ``(n, axes)`` for the row axes and the narrowed one, such as ``"0,1"``.
    """

    source: Source
    method: Mapping[str, plan_json.Scalar]
    budget: Budget
    seed: int
    versions: Mapping[str, str]
    groups: tuple[PlannedGroup, ...]
    kept: Mapping[str, Mapping[str, Ids]]

    @classmethod
    def of(
        cls,
        coupling: Coupling,
        alive: Alive,
        *,
        source: Source,
        method: Mapping[str, plan_json.Scalar],
        budget: Budget,
        seed: int,
    ) -> Plan:
        """Writes a selection down in the model's own names.

        Args:
            coupling: The network's groups.
            alive: Whether each unit lives, indexed by unit id.
            source: The model.
            method: How the units were chosen.
            budget: What was asked for.
            seed: Seed of whatever was drawn at random.

        Raises:
            ValueError: Rows of one group keep different numbers of units, or none.
        """
        return cls(
            source=source,
            method=dict(method),
            budget=budget,
            seed=seed,
            versions=_versions(),
            groups=tuple(_planned(group, alive) for group in coupling),
            kept=_kept(coupling, alive),
        )

    def to_json(self) -> str:
        """The plan as JSON, keys in a fixed order, every list of indices on one line."""
        document = {
            "format": FORMAT,
            "source": asdict(self.source),
            "method": dict(self.method),
            "budget": self.budget.to_dict(),
            "seed": self.seed,
            "versions": dict(self.versions),
            "groups": [asdict(group) for group in self.groups],
            "kept": {
                name: {key: index.tolist() for key, index in axes.items()}
                for name, axes in self.kept.items()
            },
        }
        return plan_json.lay_out(document)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Reads a plan; fields it does not know are ignored.

        Args:
            text: What :meth:`to_json` gave.

        Raises:
            BadData: The text is no plan.
            PlanMismatch: It is a plan of another format version.
        """
        reader = plan_json.read(text)
        return cls(
            source=reader.source(),
            method=reader.method(),
            budget=reader.budget(),
            seed=reader.seed(),
            versions=reader.versions(),
            groups=reader.groups(),
            kept=reader.kept(),
        )

    def text(self) -> str:
        """One line a group: ``g1 16 -> 8``."""
        return "\n".join(map(str, self.groups))

    def alive(self, coupling: Coupling) -> Alive:
        """The units that live in a fresh copy of the model.

        Args:
            coupling: The copy's groups, from a coupling of its own.

        Returns:
            Whether each unit lives, indexed by unit id.

        Raises:
            PlanMismatch: The plan was made for another model; the message says the first
                difference.
        """
        return _Fit(self, coupling).alive


def _versions() -> dict[str, str]:
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("graphprune", "numpy", "onnx", "torch"):
        # What is not imported had no part in the plan.
        if name in sys.modules:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                versions[name] = "not installed"
    return versions


def _planned(group: Group, alive: Alive) -> PlannedGroup:
    counts = set(np.count_nonzero(alive[group.units], axis=1).tolist())
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"rows of {group.name} keep {sorted(counts)} of {group.width} units")
    return PlannedGroup(group.name, group.width, counts.pop(), group.rows, group.approximate)


def _axes(layer: Layer) -> tuple[int, ...]:
    return (*layer.rows, layer.axis)


def _key(layer: Layer) -> str:
    return ",".join(map(str, _axes(layer)))


def _table(layer: Layer) -> Ids:
    """The ids with one axis for each axis of the layer's key."""
    axes = _axes(layer)
    moved = np.moveaxis(layer.ids, axes, range(len(axes)))
    return moved.reshape(moved.shape[: len(axes)])


def _param_layers(coupling: Coupling) -> Iterator[tuple[str, Layer]]:
    for value in coupling.graph.params:
        for layer in coupling.layers.get(value.name, ()):
            yield value.name, layer


def _kept(coupling: Coupling, alive: Alive) -> dict[str, dict[str, Ids]]:
    kept: dict[str, dict[str, Ids]] = {}
    for name, layer in _param_layers(coupling):
        mask = alive[_table(layer)]
        if not mask.all():
            index = np.argwhere(mask)
            kept.setdefault(name, {})[_key(layer)] = index if layer.rows else index[:, 0]
    return kept


class _Fit:
    """Carries a plan over to a coupling, and checks that nothing is left over or contradicted."""

    def __init__(self, plan: Plan, coupling: Coupling) -> None:
        self.plan = plan
        self.coupling = coupling
        self.alive = coupling.everything()
        for name, axes in plan.kept.items():
            for key, index in axes.items():
                self._kill(name, key, index)
        self._check_layers()
        self._check_groups()

    @cached_property
    def layers(self) -> dict[tuple[str, str], Layer]:
        return {(name, _key(layer)): layer for name, layer in _param_layers(self.coupling)}

    def _kill(self, name: str, key: str, index: Ids) -> None:
        layer = self.layers.get((name, key))
        if layer is None:
            value = self.coupling.graph.values.get(name)
            if value is None or value.kind != "param":
                raise self._mismatch(f"the model has no parameter '{name}'", f"parameter {name}")
            raise self._mismatch(
                f"axis {key} of '{name}' cannot be narrowed in this model",
                f"axis {key} of {name}, of shape {list(value.shape or ())}",
            )
        units = _table(layer)
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

    def _check_layers(self) -> None:
        for (name, key), layer in self.layers.items():
            units = _table(layer)
            index = self.plan.kept.get(name, {}).get(key)
            kept = np.True_ if index is None else _mask(units, index)
            if np.any(self.alive[units] != kept):
                raise self._mismatch(
                    f"the plan keeps other channels along axis {key} of '{name}' than along the "
                    "axes it is coupled with",
                    f"axis {key} of {name}",
                )

    def _check_groups(self) -> None:
        planned = Counter(
            (group.width, group.kept, group.rows)
            for group in self.plan.groups
            if group.kept < group.width
        )
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
                    "groups of the plan",
                )

    def _mismatch(self, what: str, where: str) -> PlanMismatch:
        source = self.plan.source
        return PlanMismatch(
            what,
            where=where,
            why=f"the plan was made for {source.kind} model '{source.name}' (sha256 "
            f"{source.sha256[:12]})",
            fix="apply it to an unchanged copy of that model, or make a new plan",
        )


def _mask(units: Ids, index: Ids) -> Alive:
    mask = np.zeros(units.shape, dtype=np.bool_)
    mask[tuple(index.reshape(len(index), -1).T)] = True
    return mask
