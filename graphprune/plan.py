"""Plan: which indices of which parameters a narrowed network keeps, as a file.

A plan names everything by the model's own names, so it fits any fresh copy of the model.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphprune import plan_json
from graphprune.budget import Budget
from graphprune.counterparts import Counterparts, described
from graphprune.errors import PlanMismatch
from graphprune.frontends.origin import Origins
from graphprune.groups import Alive, Copies, Coupling, Group, Ids, Left
from graphprune.plan_fit import Expected, Fit, Wording, param_layers
from graphprune.plan_growth import copies_by_plan, grows, kept_indices, refuse_growth
from graphprune.plan_json import FORMAT, PlannedGroup, PlannedParameter, Source
from graphprune.scores import Selection

__all__ = ["FORMAT", "Budget", "Factors", "Plan", "PlannedGroup", "PlannedParameter", "Source"]

Factors = Mapping[str, Mapping[str, NDArray[np.float64]]]


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
            tuples ``(n, axes)`` for the row axes and the narrowed one, such as ``"0,1"``. -1
            stands for an index that the model has not: where a module is rebuilt wider.
        parameters: What the parameters of the whole model are called in PyTorch, so that the plan
            of a module fits its export, and the other way round; empty where that is not known.
        factors: What kept weights are multiplied by: one number for each index in ``kept`` of the
            same parameter and axis, or for each index there is where none was lost; empty where
            all weights stay what they are.
    """

    source: Source
    method: Mapping[str, plan_json.Scalar]
    budget: Budget
    seed: int
    versions: Mapping[str, str]
    groups: tuple[PlannedGroup, ...]
    kept: Mapping[str, Mapping[str, Ids]]
    parameters: tuple[PlannedParameter, ...] = ()
    factors: Factors = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        coupling: Coupling,
        alive: Left,
        *,
        source: Source,
        method: Mapping[str, plan_json.Scalar],
        budget: Budget,
        seed: int,
        origins: Origins | None = None,
        factors: Factors | None = None,
    ) -> Plan:
        """Writes a selection down in the model's own names.

        Args:
            coupling: The network's groups.
            alive: Whether each unit lives, or how many channels stand for it, by unit id.
            source: The model.
            method: How the units were chosen.
            budget: What was asked for.
            seed: Seed of whatever was drawn at random.
            origins: The PyTorch parameters that those of an ONNX model stand for.
            factors: What kept weights are multiplied by.

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
            kept=kept_indices(coupling, alive),
            parameters=described(coupling, source.kind, origins),
            factors=dict(factors or {}),
        )

    def to_json(self) -> str:
        """The plan as JSON, keys in a fixed order, every list of indices on one line."""
        document: dict[str, object] = {
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
        if self.factors:
            # Every digit: what is multiplied again must give the same weights.
            document["factors"] = {
                name: {key: line.tolist() for key, line in axes.items()}
                for name, axes in self.factors.items()
            }
        if self.parameters:
            document["parameters"] = [asdict(parameter) for parameter in self.parameters]
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
            parameters=reader.parameters(),
            factors=reader.factors(),
        )

    def text(self) -> str:
        """One line a group: ``g1 16 -> 8``."""
        return "\n".join(map(str, self.groups))

    def alive(self, coupling: Coupling, kind: str = "", origins: Origins | None = None) -> Alive:
        """The units that live in a fresh copy of the model: see :meth:`selection`.

        Returns:
            Whether each unit lives, indexed by unit id.

        Raises:
            PlanMismatch: The plan was made for another model.
        """
        return self.selection(coupling, kind, origins).alive

    def selection(
        self, coupling: Coupling, kind: str = "", origins: Origins | None = None
    ) -> Selection:
        """The units that live in a fresh copy of the model, and their factors.

        A plan of a module fits the ONNX export of that module, and the other way round, if every
        group that it narrows is found again. Parameters that the exporter folded into others
        play no part then, unless the plan multiplies them.

        Args:
            coupling: The copy's groups, from a coupling of its own.
            kind: The copy's kind, ``onnx`` or ``torch``; the plan's where left out.
            origins: The PyTorch parameters that those of an ONNX model stand for.

        Raises:
            PlanMismatch: The plan was made for another model; the message says the first
                difference.
        """
        source, why = self.source, self._made_for
        refuse_growth(self.groups, kind or source.kind)
        if kind in ("", source.kind):
            expected = self._expected(coupling)
            return Fit(coupling, expected, self.groups, Wording(why, _FIX)).selection
        found = Counterparts.of(
            self.parameters,
            self.kept,
            source.kind,
            described(coupling, kind, origins),
            self.factors,
        )
        wording = Wording(why, _FIXES[kind], _lost(found.lost))
        silent = [name for name in found.lost if name in self.factors]
        if silent:
            raise PlanMismatch(
                f"the plan multiplies weights of '{silent[0]}', which this model has not",
                where=wording.hint,
                why=why,
                fix=wording.fix,
            )
        return Fit(coupling, found.expected, self.groups, wording).selection

    def _expected(self, coupling: Coupling) -> list[Expected]:
        """What is kept of every parameter of a copy of the same kind."""
        own = (name for name, _ in param_layers(coupling))
        return [
            Expected(name, self.kept.get(name, {}), factors=self.factors.get(name, {}))
            for name in dict.fromkeys((*self.kept, *self.factors, *own))
        ]

    @property
    def grows(self) -> bool:
        """Whether it makes any layer wider than it is."""
        return grows(self.groups)

    def copies(self, coupling: Coupling) -> Copies:
        """How many channels stand for each unit of a fresh copy of a module, to be rebuilt.

        Args:
            coupling: The copy's groups, from a coupling of its own.

        Raises:
            PlanMismatch: The plan was made for another model.
        """
        wording = Wording(self._made_for, _FIX)
        return copies_by_plan(coupling, self.kept, self.groups, wording)

    @property
    def _made_for(self) -> str:
        source = self.source
        return (
            f"the plan was made for {source.kind} model '{source.name}' (sha256 "
            f"{source.sha256[:12]})"
        )


_FIX = "apply it to an unchanged copy of that model, or make a new plan"
_FIXES = {
    "onnx": "make the plan on the export itself, or narrow the module and export that: "
    "graphprune.export(module, inputs, path, plan=plan)",
    "torch": "make the plan on the module itself: graphprune.prune(module, inputs, ...)",
}


def _lost(names: Sequence[str], most: int = 3) -> str:
    """What of a plan has no counterpart, in words."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"without a counterpart: {shown}{more}" if names else ""


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


def _planned(group: Group, alive: Left) -> PlannedGroup:
    counts = set(alive[group.units].sum(axis=1).tolist())
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"rows of {group.name} keep {sorted(counts)} of {group.width} units")
    return PlannedGroup(group.name, group.width, counts.pop(), group.rows, group.approximate)
