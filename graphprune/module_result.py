"""What pruning a PyTorch module gives: the narrowed module, its plan, its proof, its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphprune import checkpoint
from graphprune.cost import Cost
from graphprune.groups import Alive, Copies, Group, Ids
from graphprune.inspection import Inspection
from graphprune.passes.verify import Proof
from graphprune.plan import Plan
from graphprune.result import not_equivalent
from graphprune.scores import Guarantee

if TYPE_CHECKING:
    from graphprune.frontends.torch import TracedModule
    from graphprune.passes.narrow.torch import NarrowedModule


@dataclass(frozen=True, eq=False)
class ModuleResult:
    """A narrowed module and everything known about it.

    Attributes:
        inspection: The original.
        plan: What was kept.
        narrowed: The narrowed module, and how it came about.
        alive: Whether each unit lives.
        proof: The verdict of the verify pass.
        cost: Before and after, for one call with the example inputs.
        notes: What became different from what was asked.
        guarantees: What the widths promise, where the allocation knows.
        copies: How many channels stand for each unit where the module was rebuilt with more than
            it had; else None.
    """

    inspection: Inspection[TracedModule]
    plan: Plan
    narrowed: NarrowedModule
    alive: Alive
    proof: Proof
    cost: tuple[Cost, Cost]
    notes: tuple[str, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    copies: Copies | None = None

    @property
    def model(self) -> Any:
        """The narrowed nn.Module."""
        return self.narrowed.module

    @property
    def original(self) -> Any:
        """The module as it was, a teacher for distillation; the narrowed one after ``inplace``."""
        return self.inspection.lowered.module

    @property
    def optimizer(self) -> Any:
        """The given optimizer over the narrowed module's parameters, its state cut like these."""
        return self.narrowed.optimizer

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of the original."""
        return self.inspection.coupling.groups

    @cached_property
    def index_maps(self) -> Mapping[str, Mapping[int, Ids]]:
        """Which indices of the original the narrowed parameters hold, by name and axis.

        ``index_maps["layer1.0.conv1.weight"][0][j]`` is the filter of the original that filter
        ``j`` of the narrowed layer came from; -1 where it is new. Axes that lost nothing are left
        out.
        """
        from graphprune.passes.narrow.torch import index_maps

        left = self.alive if self.copies is None else self.copies
        return index_maps(self.inspection.lowered, self.inspection.coupling, left)

    def save(self, path: str | Path, *, unproven: bool = False) -> None:
        """Write the plan and the weights as one file, for :func:`graphprune.load`.

        Args:
            path: The file to write.
            unproven: Write it even though the proof failed.

        Raises:
            NotEquivalent: The proof failed.
        """
        if not self.proof.ok and not unproven:
            raise not_equivalent(self.proof)
        checkpoint.write(Path(path), self.plan, self.model)
