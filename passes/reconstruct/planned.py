"""What a plan makes of a fresh copy of its model."""

from __future__ import annotations

from collections.abc import Mapping

from graphprune.errors import PlanMismatch
from graphprune.frontends.origin import Origins
from graphprune.groups import Alive, Coupling
from graphprune.passes.reconstruct.patch import Patch, lines, patch
from graphprune.plan import Plan
from graphprune.terms import Floats


def planned(
    plan: Plan, coupling: Coupling, kind: str, origins: Origins | None = None
) -> tuple[Alive, Patch | None]:
    """The units that live by a plan, and what weights are multiplied by.

    Args:
        plan: Made for this model or its counterpart in PyTorch or ONNX.
        coupling: The model's groups.
        kind: ``onnx`` or ``torch``.
        origins: The PyTorch parameters that those of an ONNX model stand for.

    Raises:
        PlanMismatch: The plan was made for another model.
    """
    selection = plan.selection(coupling, kind, origins)
    found = patch(coupling, selection)
    if kind == plan.source.kind:
        _compare(plan, lines(coupling, selection.alive, found))
    return selection.alive, found


def _compare(plan: Plan, wanted: Mapping[str, Mapping[str, Floats]]) -> None:
    """A plan multiplies every reader of a channel, and nothing else."""
    said = {(name, key) for name, axes in plan.factors.items() for key in axes}
    meant = {(name, key) for name, axes in wanted.items() for key in axes}
    for name, key in sorted(said ^ meant):
        missing = (name, key) in meant
        raise PlanMismatch(
            f"the plan {'does not multiply' if missing else 'multiplies'} '{name}'",
            where=f"axis {key} of {name}",
            why="it has factors for the channels that this parameter reads"
            if missing
            else "it is no reader of the channels that have factors",
            fix="make a new plan for this model",
        )
