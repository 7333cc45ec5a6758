"""What every pipeline does alike: score, allocate, select, and try again where words fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphprune.budget import Budget
from graphprune.errors import InfeasibleBudget, UnsupportedModel
from graphprune.evidence import Evidence
from graphprune.frontends.origin import Origins
from graphprune.groups import Alive
from graphprune.inspection import Inspection, N, without
from graphprune.ir.graph import Shape
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.score import score
from graphprune.passes.select import select
from graphprune.plan import Plan, Source
from graphprune.scores import Guarantee, Scores, Widths

T = TypeVar("T")
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a pruning is decided and proven.

    Attributes:
        criterion: How units are scored: see :func:`graphprune.passes.score.criteria`.
        allocation: How widths are chosen: see :func:`graphprune.passes.allocate.policies`.
        round_to: What narrowed channel counts should be multiples of.
        keep: Patterns of layers that must stay whole.
        exact: Narrow no group whose narrowing is only approximate.
        shapes: Input shapes by name, where an ONNX model leaves them open.
        seed: Of everything random.
        run: Whether to prove the result by running it, or on labels only.
    """

    criterion: str = "l2"
    allocation: str = "uniform"
    round_to: int = 1
    keep: Sequence[str] = ()
    exact: bool = False
    shapes: Mapping[str, Shape] | None = None
    seed: int = 0
    run: bool = True


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
    """

    inspection: Inspection[N]
    plan: Plan
    alive: Alive
    narrowed: T
    notes: tuple[str, ...]
    guarantees: tuple[Guarantee, ...] = ()


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
    rewrite: Callable[[Inspection[N], Alive], T],
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
        plan, alive, widths = _widths(inspection, question, scores)
        question.say("rewriting the graph")
        try:
            narrowed = rewrite(inspection, alive)
        except UnsupportedModel as error:
            inspection, names = without(inspection, error)
            notes += (f"{', '.join(names)} kept whole: {error.where}: {error.why}",)
            _require_groups(inspection, question.source)
            continue
        notes += scores.notes + widths.notes
        return Decided(inspection, plan, alive, narrowed, notes, widths.guarantees)


def _widths(
    inspection: Inspection[Any], question: Question, scores: Scores
) -> tuple[Plan, Alive, Widths]:
    """Allocate, select: the plan, the units that live, the widths."""
    coupling, options, seed = inspection.coupling, question.options, question.options.seed
    question.say(f"choosing widths ({options.allocation})")
    costs = inspection.cost_model
    bounds = question.budget.resolve(costs.full)
    problem = Problem.of(
        coupling, scores, costs, bounds, round_to=options.round_to, seed=seed, most=question.most
    )
    widths, alive = fit(
        problem,
        allocate(options.allocation, problem),
        lambda candidate: select("top", coupling, scores, candidate, seed),
    )
    names = ("criterion", "allocation", "round_to")
    plan = Plan.of(
        coupling,
        alive,
        source=question.source,
        method={name: getattr(options, name) for name in names},
        budget=question.budget,
        seed=seed,
        origins=question.origins,
    )
    return plan, alive, widths


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
