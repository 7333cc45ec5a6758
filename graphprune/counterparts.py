"""The same parameters in a PyTorch module and in its ONNX export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from graphprune.frontends.origin import Origins, own_names, spelled
from graphprune.groups import Coupling
from graphprune.plan_fit import Expected, Kept, Numbers
from graphprune.plan_json import PlannedParameter


def described(
    coupling: Coupling, kind: str, origins: Origins | None
) -> tuple[PlannedParameter, ...]:
    """The parameters of a model, as plans write them down.

    Args:
        coupling: The model's groups.
        kind: ``onnx`` or ``torch``.
        origins: What its parameters stand for; a module's own names need not be given.
    """
    found = own_names(coupling.graph) if kind == "torch" and origins is None else origins or {}
    roles = {(m.param, m.axis): m.role for group in coupling for m in group.members}
    return tuple(
        PlannedParameter(
            value.name,
            found[value.name].names,
            found[value.name].transposed,
            found[value.name].guessed,
            value.known_shape,
            tuple(roles.get((value.name, i), "") for i in range(len(value.known_shape))),
        )
        for value in coupling.graph.params
        if value.name in found and prod(value.known_shape) > 1
    )


@dataclass(frozen=True, eq=False)
class Counterparts:
    """What a plan says of a model of the other kind.

    Attributes:
        expected: What is kept of the parameters of that model that have a counterpart.
        lost: Parameters of the plan that lose something, or are multiplied, and have no
            counterpart; those first that produce or contract channels.
    """

    expected: Sequence[Expected]
    lost: Sequence[str]

    @classmethod
    def of(
        cls,
        planned: Sequence[PlannedParameter],
        kept: Mapping[str, Kept],
        kind: str,
        model: Sequence[PlannedParameter],
        factors: Mapping[str, Numbers] | None = None,
    ) -> Counterparts:
        """Rename what a plan keeps.

        Args:
            planned: The parameters of the model the plan was made for.
            kept: What the plan keeps of them.
            kind: The kind of model the plan was made for.
            model: The parameters of a model of the other kind.
            factors: What the plan multiplies them by.
        """
        factors = factors or {}
        found: list[Expected] = []
        used: set[str] = set()
        pairs = _pairs(model, planned) if kind == "torch" else _pairs(planned, model)
        for exported, own in pairs:
            mine, theirs = (own, exported) if kind == "torch" else (exported, own)
            used.add(mine.name)
            axes, numbers = kept.get(mine.name, {}), factors.get(mine.name, {})
            if exported.transposed:
                axes = {_turned(key): index for key, index in axes.items()}
                numbers = {_turned(key): line for key, line in numbers.items()}
            found.append(Expected(theirs.name, axes, exported.guessed, numbers))
        essential = {p.name for p in planned if {"in", "out"} & set(p.roles)}
        missing = (name for name in dict.fromkeys((*kept, *factors)) if name not in used)
        lost = sorted(missing, key=lambda name: name not in essential)
        return cls(found, lost)


def _pairs(
    exported: Sequence[PlannedParameter], own: Sequence[PlannedParameter]
) -> Iterator[tuple[PlannedParameter, PlannedParameter]]:
    """Parameters of an export with the module's parameters they were made of."""
    by_name = {name: parameter for parameter in own for name in parameter.torch}
    by_spelling: dict[str, list[PlannedParameter]] = {}
    for name, parameter in by_name.items():
        by_spelling.setdefault(spelled(name), []).append(parameter)
    for parameter in exported:
        found: list[PlannedParameter] = []
        for name in parameter.torch:
            alike = by_spelling.get(spelled(name), [])
            if len(alike) == 1:
                found += alike
            elif "." in name and name in by_name:
                found.append(by_name[name])
        if len(found) == 1 and _same(parameter, found[0]):
            yield parameter, found[0]


def _same(exported: PlannedParameter, own: PlannedParameter) -> bool:
    """Whether shapes agree; of a guess also what every axis does.

    A square matrix looks the same when it is transposed: then it would produce where it should
    contract.
    """
    if exported.transposed:
        exported = replace(exported, shape=exported.shape[::-1], roles=exported.roles[::-1])
    if exported.shape != own.shape:
        return False
    if not exported.guessed:
        return True
    pairs = zip(exported.roles, own.roles, strict=True)
    return all(not a or not b or a == b for a, b in pairs)


def _turned(key: str) -> str:
    """The axes of a matrix in its transpose."""
    return ",".join(str(1 - int(axis)) for axis in key.split(","))
