"""What every pipeline does alike: score, allocate, select, and try again where words fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphprune.budget import Budget
from graphprune.errors import InfeasibleBudget, UnsupportedModel
from graphprune.evidence import Evidence
from graphprune.frontends.origin import Origins
from graphprune.groups import Alive
from graphprune.inspection import Inspection, N, without
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.reconstruct import Patch, lines, patch
from graphprune.passes.score import score
from graphprune.passes.select import select
from graphprune.pipelines.options import Options
from graphprune.plan import Plan, Source
from graphprune.scores import Guarantee, Scores, Selection, Widths

T = TypeVar("T")
Stage = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Decided(Generic[N, T]):
    """A rewritten model and how it came about.

    Attributes:
        inspection: The original, groups left out that no operator has words for.
        plan: What is kept.
        alive: Whether each unit lives.
        narrowed: The rewritten model.
        notes: What became different from what was asked.
        guarantees: What the widths promise, where the allocation knows.
        patch: What kept weights are multiplied by.
    """

    inspection: Inspection[N]
    plan: Plan
    alive: Alive
    narrowed: T
    notes: tuple[str, ...]
    guarantees: tuple[Guarantee, ...] = ()
    patch: Patch | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a pruning.

    Attributes:
        budget: What must not be exceeded.
        options: How to decide.
        source: The model, as plans name it.
        evidence: What criteria look at.
        say: Told the name of every stage as it begins.
        most: Units a row that groups may keep at most, besides the budget, by name.
        origins: The PyTorch parameters that those of an ONNX model stand for.
    """

    budget: Budget
    options: Options
    source: Source
    evidence: Evidence
    say: Stage
    most: Mapping[str, int] = field(default_factory=dict)
    origins: Origins | None = None


def decide(
    inspection: Inspection[N],
    question: Question,
    rewrite: Callable[[Inspection[N], Alive, Patch | None], T],
) -> Decided[N, T]:
    """Decide and rewrite; what an operator has no words for is kept whole, with a note.

    Args:
        inspection: The original.
        question: What is asked.
        rewrite: The narrow pass.

    Raises:
        InfeasibleBudget: No widths meet the budget.
    """
    notes: tuple[str, ...] = ()
    _require_groups(inspection, question.source)
    options = question.options
    question.say(f"scoring channels by {options.criterion}")
    # Once: data may be an iterator, and groups that are given up change no other group's scores.
    scores = score(options.criterion, inspection.coupling, question.evidence, options.seed)
    while True:
        widths, selection = _selected(inspection, question, scores)
        patched = patch(inspection.coupling, selection)
        plan = _plan(inspection, question, selection.alive, patched)
        question.say("rewriting the graph")
        try:
            narrowed = rewrite(inspection, selection.alive, patched)
        except UnsupportedModel as error:
            inspection, names = without(inspection, error)
            notes += (f"{', '.join(names)} kept whole: {error.where}: {error.why}",)
            _require_groups(inspection, question.source)
            continue
        notes += scores.notes + widths.notes + selection.notes
        promised = selection.guarantees
        guarantees = widths.guarantees if promised is None else promised
        return Decided(inspection, plan, selection.alive, narrowed, notes, guarantees, patched)


def _selected(
    inspection: Inspection[Any], question: Question, scores: Scores
) -> tuple[Widths, Selection]:
    """Allocate, select: the widths, the units that live and their factors."""
    coupling, options, seed = inspection.coupling, question.options, question.options.seed
    question.say(f"choosing widths ({options.allocation})")
    costs = inspection.cost_model
    bounds = question.budget.resolve(costs.full)
    problem = Problem.of(
        coupling,
        scores,
        costs,
        bounds,
        round_to=options.round_to,
        seed=seed,
        most=question.most,
        evidence=question.evidence,
    )
    return fit(
        problem,
        allocate(options.allocation, problem),
        lambda candidate: select(options.selection, coupling, scores, candidate, seed),
    )


def _plan(
    inspection: Inspection[Any], question: Question, alive: Alive, patched: Patch | None
) -> Plan:
    """What was decided, in the model's own names."""
    coupling, options = inspection.coupling, question.options
    return Plan.of(
        coupling,
        alive,
        source=question.source,
        method=options.decided_by,
        budget=question.budget,
        seed=options.seed,
        origins=question.origins,
        factors=lines(coupling, alive, patched),
    )


def _require_groups(inspection: Inspection[Any], source: Source) -> None:
    if inspection.coupling.groups:
        return
    opaque = [n for n in inspection.coupling.graph.nodes if n.family == "opaque"]
    reasons = [" -> ".join(f.reason) for f in inspection.coupling.frozen]
    reasons += [f"{n.attrs['type']} '{n.title}': {n.attrs['reason']}" for n in opaque]
    reason = next(iter(reasons), "no layer has channels of its own")
    raise InfeasibleBudget(
        "nothing in this model can be narrowed",
        where=source.name or "the given model",
        why=f"for example: {reason}",
        fix="see all reasons with graphprune.inspect(model).coupling.text(), "
        "or: graphprune inspect MODEL",
    )
