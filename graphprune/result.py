"""What a pruning gives: the narrowed model, its plan, its proof, its cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from graphprune.cost import Cost
from graphprune.errors import NotEquivalent, PlanMismatch
from graphprune.frontends.onnx import Lowered, OnnxModel, load
from graphprune.groups import Alive, Group
from graphprune.inspection import Inspection, Model
from graphprune.passes.narrow import Narrowed, materialise, replacing, write
from graphprune.passes.verify import Proof
from graphprune.plan import Plan
from graphprune.scores import Guarantee

METADATA_KEY = "graphprune.plan"


@dataclass(frozen=True, eq=False)
class Result:
    """A narrowed model and everything known about it.

    Attributes:
        inspection: The original.
        plan: What was kept.
        narrowed: The edited model, tensors not yet cut.
        alive: Whether each unit lives.
        proof: The verdict of the verify pass.
        cost: Before and after.
        notes: What rounding and budgets made different from what was asked.
        guarantees: What the widths promise, where the allocation knows.
    """

    inspection: Inspection[Lowered]
    plan: Plan
    narrowed: Narrowed
    alive: Alive
    proof: Proof
    cost: tuple[Cost, Cost]
    notes: tuple[str, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The narrowed model, whole."""
        return materialise(self.narrowed)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of the original."""
        return self.inspection.coupling.groups

    def save(self, path: str | Path, *, unproven: bool = False) -> None:
        """Write the model, and its plan beside it as ``<stem>.plan.json``.

        Args:
            path: The .onnx file to write; external data goes to ``<path>.data``.
            unproven: Write it even though the proof failed.

        Raises:
            NotEquivalent: The proof failed.
            GraphpruneError: The folder cannot be written.
        """
        if not self.proof.ok and not unproven:
            raise not_equivalent(self.proof)
        target = Path(path)
        write(self.narrowed, target)
        with replacing(plan_path(target)) as file:
            file.write(self.plan.to_json().encode())


def plan_path(model: Path) -> Path:
    """Where the plan of a model file lies: ``out.onnx`` has ``out.plan.json``."""
    return model.with_suffix(".plan.json")


def embedded_plan(model: Model | OnnxModel) -> Plan:
    """The plan inside a narrowed model's metadata.

    Raises:
        PlanMismatch: The model carries none.
    """
    opened = model if isinstance(model, OnnxModel) else load(model)
    for entry in opened.proto.metadata_props:
        if entry.key == METADATA_KEY:
            return Plan.from_json(entry.value)
    raise PlanMismatch(
        "the model carries no plan",
        where=str(opened.path or "the given proto"),
        why="its metadata has no entry 'graphprune.plan'",
        fix="give the plan: --plan FILE.plan.json",
    )


def not_equivalent(proof: Proof) -> NotEquivalent:
    """The error for a failed proof."""
    if not proof.replay.ok:
        why = "; ".join(proof.replay.failures)
    else:
        worst = proof.masked.worst if proof.masked is not None else float("nan")
        why = f"largest relative error {worst:.2g}, accepted are {proof.tolerance:.0e}"
    return NotEquivalent(
        "the narrowed model does not equal the masked original; nothing was written",
        why=why,
        fix="please report it; meanwhile exclude the layers named above with --keep",
    )
