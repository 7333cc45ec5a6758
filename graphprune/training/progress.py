"""A module that is narrowed again and again, and what is left of its original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING, Any

from graphprune.budget import Budget
from graphprune.cost import Cost
from graphprune.groups import Alive
from graphprune.inspection import Inspection, example_of, inspect_module
from graphprune.module_result import ModuleResult
from graphprune.passes.couple import couple
from graphprune.pipelines.deciding import Question, Stage
from graphprune.plan import Plan, Source
from graphprune.result import not_equivalent
from graphprune.training.lineage import Lineage

if TYPE_CHECKING:
    from graphprune.frontends.torch import Example, TracedModule
    from graphprune.passes.narrow.torch import NarrowedModule
    from graphprune.pipelines.torch import ModuleOptions

_SLACK = 1e-9  # a fraction of a width is a whole number in spite of rounding
_TRAINED = "the module was free to be trained since; every narrowing was proven by itself"


@dataclass(eq=False)
class Progress:
    """A module on its way from wide to narrow.

    Attributes:
        origin: The original.
        source: The original, as plans name it.
        example: What the module is called with.
        kept: Groups of the original that stay whole.
        options: How to decide; its optimizer is the one over the module as it is now.
        say: Told the name of every stage as it begins.
        model: The module as it is now.
        alive: Which units of the original it has.
        narrowed: How it came about; None for the original.
        notes: What became different from what was asked.
    """

    origin: Inspection[TracedModule]
    source: Source
    example: Example
    kept: frozenset[str]
    options: ModuleOptions
    say: Stage
    model: Any
    alive: Alive
    narrowed: NarrowedModule | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, module: Any, example_inputs: Any, options: ModuleOptions, say: Stage) -> Progress:
        """Before anything is narrowed.

        Args:
            module: An nn.Module or an ExportedProgram.
            example_inputs: What it is called with.
            options: How to decide.
            say: Told the name of every stage as it begins.
        """
        from graphprune.pipelines.torch import source_of

        say("tracing the module")
        example = example_of(module, example_inputs)
        origin = inspect_module(module, example)
        kept: tuple[str, ...] = ()
        if options.keep or options.exact:
            kept = inspect_module(module, example, keep=options.keep, exact=options.exact).kept
        everything = origin.coupling.everything()
        source = source_of(module)
        return cls(origin, source, example, frozenset(kept), options, say, module, everything)

    @property
    def full(self) -> Cost:
        """What the original costs."""
        return self.origin.cost_model.full

    @property
    def cost(self) -> Cost:
        """What the module costs now."""
        return self.origin.cost_model.exact(self.alive)

    @property
    def shares(self) -> Mapping[str, float]:
        """Which fraction of the original is left, by the names of budgets."""
        alive, groups = self.alive, self.origin.coupling.groups
        left = (alive[g.units].mean() for g in groups if g.name not in self.kept)
        shares = {name: value / max(1, getattr(self.full, name)) for name, value in
                  vars(self.cost).items()}  # fmt: skip
        return {**shares, "channels": float(max(left, default=1.0))}

    def plan(self, budget: Budget, steps: int) -> Plan:
        """What is left, as a plan for the original.

        Args:
            budget: What was asked for.
            steps: In how many steps.
        """
        return Plan.of(
            self.origin.coupling,
            self.alive,
            source=self.source,
            method={**self.options.decided_by, "steps": steps},
            budget=budget,
            seed=self.options.seed,
        )

    def start(self, plan: Plan) -> None:
        """Narrow the original by a plan.

        Raises:
            PlanMismatch: The plan is for another module.
        """
        from graphprune.pipelines import torch as modules

        options = replace(self.options, keep=(), exact=False)
        result = modules.apply(self.model, self.example, plan, options, self.say)
        self._take(result, result.alive)

    def narrow(self, budget: Budget, data: Any = None) -> ModuleResult:
        """Narrow the module further.

        Args:
            budget: What the original may be cut to: fractions of its cost.
            data: Batches for criteria that run the module.

        Raises:
            InfeasibleBudget: No widths meet the budget.
            NotEquivalent: The proof failed; the module is what it was.
        """
        from graphprune.pipelines import torch as modules

        self.say("tracing the module")
        lowered = inspect_module(self.model, self.example).lowered
        coupling = couple(lowered.graph, self.origin.coupling.choices)
        lineage = Lineage(self.origin.coupling, self.alive, coupling)
        groups = tuple(g for g in coupling if self._may_narrow(g.name, lineage))
        rest = tuple(g.name for g in coupling if g not in groups)
        found = Inspection(lowered, replace(coupling, groups=groups), rest)
        limits = budget.resolve(self.full).limits
        question = Question(
            # 1 would be all of it, not one
            Budget(**{name: max(limit, 1.5) for name, limit in limits.items()}),
            self.options,
            modules.source_of(self.model),
            modules.evidence_of(found, data, self.options.loss),
            self.say,
            {} if budget.channels is None else _most(lineage, budget.channels),
        )
        result = modules.prune_inspected(found, question)
        if not result.proof.ok:
            raise not_equivalent(result.proof)
        self._take(result, lineage.followed(result.alive))
        return result

    def result(self, plan: Plan) -> ModuleResult | None:
        """All that was done so far as one narrowing of the original; None if nothing was.

        Args:
            plan: Says that in words.
        """
        from graphprune.passes.verify.torch import verify_module

        if self.narrowed is None:
            return None
        origin, alive, narrowed = self.origin, self.alive, self.narrowed
        proof = verify_module(origin.lowered, origin.coupling, alive, narrowed, None)
        return ModuleResult(
            origin,
            plan,
            narrowed,
            alive,
            replace(proof, why_not_run=_TRAINED),
            (self.full, self.cost),
            self.notes,
        )

    def _may_narrow(self, name: str, lineage: Lineage) -> bool:
        parent = lineage.parents.get(name)
        return parent is not None and parent.name not in self.kept

    def _take(self, result: ModuleResult, alive: Alive) -> None:
        self.model, self.alive, self.narrowed = result.model, alive, result.narrowed
        self.options = replace(self.options, optimizer=result.optimizer)
        self.notes += tuple(note for note in result.notes if note not in self.notes)


def _most(lineage: Lineage, fraction: float) -> Mapping[str, int]:
    """Units that groups may keep, if their originals may keep a fraction."""
    found = {}
    for group in lineage.current:
        parent = lineage.parents.get(group.name)
        if parent is not None:
            left = lineage.alive[parent.units[0]].sum()
            asked = fraction * parent.width * group.width / left
            found[group.name] = max(1, floor(asked + _SLACK))
    return found
