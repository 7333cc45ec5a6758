"""Iterative pruning: prune a little, train, and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphprune import checkpoint
from graphprune.budget import Budget
from graphprune.cost import Cost
from graphprune.errors import BadData
from graphprune.module_result import ModuleResult
from graphprune.pipelines.deciding import Stage
from graphprune.plan import Plan
from graphprune.training.progress import Progress
from graphprune.training.targets import Course, targets


@dataclass(frozen=True, eq=False)
class Step:
    """One pruning of a schedule, before the user trains what it gave.

    Attributes:
        index: Its number, from 0.
        budget: What the original was to be cut to, as fractions of its cost.
        result: The pruning of the module that the step before left.
        plan: All steps so far as one plan for the original.
        cost: Of the narrowed module.
    """

    index: int
    budget: Budget
    result: ModuleResult
    plan: Plan
    cost: Cost

    @property
    def model(self) -> Any:
        """The nn.Module to train."""
        return self.result.model

    @property
    def optimizer(self) -> Any:
        """The optimizer over its parameters; None where none was given."""
        return self.result.optimizer


class Schedule:
    """Prunes a module in several steps; the user trains between them.

    >>> schedule = Schedule(module, inputs, macs=0.4, steps=4, optimizer=optimizer)
    >>> for step in schedule:
    ...     train(step.model, step.optimizer)
    >>> schedule.result().save("narrow.gp")

    Every step scores the module as it was trained by then (iterative pruning: Li et al., "Pruning
    Filters for Efficient ConvNets", ICLR 2017, section 3.4). Budgets are of the *original's* cost
    and are never exceeded.

    Without ``inplace`` every step gives a new module and a new optimizer; the given module stays
    as it is, and what refers to the optimizer, such as a learning-rate scheduler, has to be made
    anew. With ``inplace`` both go on.

    Args:
        module: An nn.Module or an ExportedProgram.
        example_inputs: What it is called with, as for :func:`graphprune.prune`.
        macs: Multiply-accumulates: a fraction or an absolute number, which the last step
            reaches on a geometric sequence, or a sequence of one for every step.
        params: Parameters, likewise.
        memory: Bytes of activations, likewise.
        channels: Fraction of every group to keep, likewise.
        steps: Their number; 4, or as many as a budget lists.
        plan: Start with the module narrowed by this plan.
        data: Batches for criteria that run the module; gone through again in every step.
        stage: Called with the name of every stage as it begins.
        **options: ``method``, ``criterion``, ``allocation`` and ``selection`` as for
            :func:`graphprune.prune`; other fields of ModuleOptions: ``loss``, ``optimizer``,
            ``inplace``, ``keep`` …

    Attributes:
        budgets: One a step, as fractions of the original's cost.
        done: How many steps have been made.

    Raises:
        BadData: Budgets or specs that make no sense, or a pass needs data or a loss.
        UnsupportedModel: The module cannot be traced.
        PlanMismatch: ``plan`` is for another module.
    """

    def __init__(
        self,
        module: Any,
        example_inputs: Any = None,
        *,
        macs: Course = None,
        params: Course = None,
        memory: Course = None,
        channels: Course = None,
        steps: int | None = None,
        plan: Plan | None = None,
        data: Iterable[Any] | None = None,
        stage: Stage | None = None,
        **options: Any,
    ) -> None:
        from graphprune.pipelines.torch import ModuleOptions, require_evidence

        chosen = ModuleOptions.of(**options)
        require_evidence(chosen, data)
        self._progress = Progress.of(module, example_inputs, chosen, stage or _silent)
        self._data = data
        if plan is not None:
            self._progress.start(plan)
        courses = {"macs": macs, "params": params, "memory": memory, "channels": channels}
        full, shares = vars(self._progress.full), self._progress.shares
        self.budgets = targets(courses, steps, full, shares)
        self.done = 0

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.budgets)

    def __iter__(self) -> Iterator[Step]:
        """The steps that are left, each made when it is asked for.

        Raises:
            InfeasibleBudget: No widths meet a step's budget.
            NotEquivalent: The proof of a step failed.
        """
        while self.done < len(self.budgets):
            budget = self.budgets[self.done]
            result = self._progress.narrow(budget, self._data)
            self.done += 1
            yield Step(self.done - 1, budget, result, self.plan, self._progress.cost)

    @property
    def model(self) -> Any:
        """The module as it is now."""
        return self._progress.model

    @property
    def optimizer(self) -> Any:
        """The optimizer over its parameters; None where none was given."""
        return self._progress.options.optimizer

    @property
    def plan(self) -> Plan:
        """All steps so far as one plan for the original.

        ``graphprune.apply(fresh, schedule.plan, inputs)`` gives a module that
        ``schedule.model.state_dict()`` fits.
        """
        return self._progress.plan(self.budgets[max(0, self.done - 1)], self.done)

    def result(self) -> ModuleResult:
        """All steps so far as one pruning of the original.

        Its proof is on labels only, because training changes what a module computes.

        Raises:
            BadData: No step has been made.
        """
        result = self._progress.result(self.plan)
        if result is None:
            raise BadData(
                "the schedule has no result yet", fix="go through its steps: for step in schedule"
            )
        return result

    def save(self, path: str | Path) -> None:
        """Write where the schedule stands: steps made, plan, weights, state of the optimizer.

        :func:`graphprune.load` reads the narrowed module from the same file.

        Args:
            path: The file to write.
        """
        held = self.optimizer.state_dict() if self.optimizer is not None else None
        budgets = [budget.to_dict() for budget in self.budgets]
        more = {"schedule": {"done": self.done, "budgets": budgets, "optimizer": held}}
        checkpoint.write(Path(path), self.plan, self.model, more)

    def resume(self, path: str | Path) -> None:
        """Go on where a schedule was saved.

        This one has to be made as that one was, with a module and an optimizer as these were, but
        for ``plan``. The budgets come from the file. A step that was being trained counts as made;
        its module and optimizer are :attr:`model` and :attr:`optimizer`.

        Args:
            path: What :meth:`save` wrote.

        Raises:
            BadData: It is no file of a schedule, or this schedule has begun.
            PlanMismatch: It was written for another module.
        """
        if self._progress.narrowed is not None:
            raise BadData(
                "the schedule has already begun",
                why="its module is narrowed",
                fix="resume a new one, made without plan=",
            )
        found = checkpoint.document(Path(path))
        if "schedule" not in found:
            raise BadData(
                "this file holds a module, no schedule",
                where=str(path),
                fix="start from its plan: Schedule(..., plan=plan)",
            )
        saved = found["schedule"]
        self._progress.start(Plan.from_json(found["plan"]))
        self.model.load_state_dict(found["state_dict"])
        if self.optimizer is not None and saved["optimizer"] is not None:
            self.optimizer.load_state_dict(saved["optimizer"])
        self.budgets = tuple(Budget(**budget) for budget in saved["budgets"])
        self.done = saved["done"]


def _silent(stage: str) -> None:
    """Say nothing."""
