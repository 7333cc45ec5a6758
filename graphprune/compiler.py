"""The pipeline: load, lower, couple, score, allocate, select, narrow, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphprune.budget import Budget
from graphprune.data import Feeds
from graphprune.errors import InfeasibleBudget, UnsupportedModel
from graphprune.execution import execute, execute_float64
from graphprune.frontends.onnx import OnnxModel, load
from graphprune.groups import Alive
from graphprune.inspection import Inspection, Model, inspect, without
from graphprune.ir.graph import Shape
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.narrow import Narrowed, narrow
from graphprune.passes.score import score
from graphprune.passes.select import select
from graphprune.passes.verify import Proof, Trial, verify
from graphprune.plan import Plan, Source
from graphprune.result import METADATA_KEY, Result, embedded_plan, not_equivalent, plan_path

__all__ = [
    "Options",
    "Result",
    "apply",
    "check",
    "embedded_plan",
    "not_equivalent",
    "plan_path",
    "prune",
]

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
        shapes: Input shapes by name, where the model leaves them open.
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


def prune(
    model: Model,
    example_inputs: Sequence[Feeds] | None = None,
    *,
    macs: str | float | None = None,
    params: str | float | None = None,
    memory: str | float | None = None,
    channels: str | float | None = None,
    data: Sequence[Feeds] | None = None,
    stage: Stage | None = None,
    **options: Any,
) -> Result:
    """Narrow a model to a budget and prove the result.

    Args:
        model: A path or a ModelProto, which is not changed.
        example_inputs: Inputs to prove the result on, besides random ones.
        macs: Budget of multiply-accumulates: a fraction up to 1, or an absolute number.
        params: Budget of parameters.
        memory: Budget of activation memory in bytes.
        channels: Fraction of every group to keep.
        data: Calibration batches, used as proof inputs too.
        stage: Called with the name of every stage as it begins.
        **options: Fields of :class:`Options`.

    Raises:
        InvalidModel: It is not a usable ONNX model.
        InfeasibleBudget: No widths meet the budget.
        BackendUnavailable: onnxruntime is not installed and ``run`` is true.
    """
    budget = Budget.parse({"macs": macs, "params": params, "memory": memory, "channels": channels})
    feeds = [*(example_inputs or ()), *(data or ())]
    return _prune(model, budget, Options(**options), feeds, stage or (lambda name: None))


def _prune(
    model: Model, budget: Budget, options: Options, feeds: Sequence[Feeds], say: Stage
) -> Result:
    """Decide and rewrite; what an operator has no words for is kept whole, with a note."""
    say("finding coupled channels")
    inspection = inspect(model, shapes=options.shapes, keep=options.keep, exact=options.exact)
    notes: tuple[str, ...] = ()
    while True:
        _require_groups(inspection)
        plan, alive, remarks = _decide(inspection, budget, options, say)
        say("rewriting the graph")
        try:
            narrowed = narrow(inspection.lowered, inspection.coupling, alive)
        except UnsupportedModel as error:
            inspection, names = without(inspection, error)
            notes += (f"{', '.join(names)} kept whole: {error.where}: {error.why}",)
            continue
        trial = _trial(options.run, feeds, options.seed)
        return _finish(inspection, plan, alive, narrowed, trial, say, notes + remarks)


def _decide(
    inspection: Inspection, budget: Budget, options: Options, say: Stage
) -> tuple[Plan, Alive, tuple[str, ...]]:
    """Score, allocate, select: the plan, the units that live, remarks on the widths."""
    coupling, seed = inspection.coupling, options.seed
    say(f"scoring channels by {options.criterion}")
    scores = score(options.criterion, coupling, inspection.lowered.contents, seed)
    say(f"choosing widths ({options.allocation})")
    costs = inspection.cost_model
    bounds = budget.resolve(costs.full)
    problem = Problem.of(coupling, scores, costs, bounds, round_to=options.round_to, seed=seed)
    widths, alive = fit(
        problem,
        allocate(options.allocation, problem),
        lambda candidate: select("top", coupling, scores, candidate, seed),
    )
    names = ("criterion", "allocation", "round_to")
    plan = Plan.of(
        coupling,
        alive,
        source=_source(inspection.lowered.model),
        method={name: getattr(options, name) for name in names},
        budget=budget,
        seed=seed,
    )
    return plan, alive, widths.notes


def _require_groups(inspection: Inspection) -> None:
    if inspection.coupling.groups:
        return
    opaque = [n for n in inspection.coupling.graph.nodes if n.family == "opaque"]
    reasons = [" -> ".join(f.reason) for f in inspection.coupling.frozen]
    reasons += [f"{n.attrs['type']} '{n.title}': {n.attrs['reason']}" for n in opaque]
    reason = next(iter(reasons), "no layer has channels of its own")
    raise InfeasibleBudget(
        "nothing in this model can be narrowed",
        where=str(inspection.lowered.model.path or "the given proto"),
        why=f"for example: {reason}",
        fix="see all reasons with: graphprune inspect MODEL",
    )


def _source(model: OnnxModel) -> Source:
    return Source("onnx", model.sha256, model.path.name if model.path else "")


def apply(
    model: Model,
    plan: Plan,
    *,
    shapes: Mapping[str, Shape] | None = None,
    run: bool = True,
    seed: int = 0,
    feeds: Sequence[Feeds] = (),
    stage: Stage | None = None,
) -> Result:
    """Narrow a fresh copy of a model by an existing plan.

    Args:
        model: A path or a ModelProto.
        plan: Made for this model or one with the same parameters and shapes.
        shapes: Input shapes by name, where the model leaves them open.
        run: Whether to prove the result by running it.
        seed: Of the random proof inputs.
        feeds: Proof inputs, besides random ones.
        stage: Called with the name of every stage as it begins.

    Raises:
        PlanMismatch: The plan was made for another model.
    """
    say = stage or (lambda name: None)
    say("finding coupled channels")
    inspection = inspect(model, shapes=shapes)
    alive = plan.alive(inspection.coupling)
    say("rewriting the graph")
    narrowed = narrow(inspection.lowered, inspection.coupling, alive)
    return _finish(inspection, plan, alive, narrowed, _trial(run, feeds, seed), say, ())


def _finish(
    inspection: Inspection,
    plan: Plan,
    alive: Alive,
    narrowed: Narrowed,
    trial: Trial | None,
    say: Stage,
    notes: tuple[str, ...],
) -> Result:
    """From a rewritten model to a proven one."""
    labelled = narrowed.with_metadata(METADATA_KEY, plan.to_json())
    say("proving the result")
    proof = verify(inspection.lowered, inspection.coupling, alive, labelled, trial)
    cost = (inspection.cost_model.full, inspection.cost_model.exact(alive))
    return Result(inspection, plan, labelled, alive, proof, cost, notes)


def check(
    original: Model,
    small: Model,
    *,
    plan: Plan | None = None,
    shapes: Mapping[str, Shape] | None = None,
    feeds: Sequence[Feeds] = (),
    run: bool = True,
    runs: int = 2,
    seed: int = 0,
) -> Proof:
    """Prove a narrowed file against its original.

    Args:
        original: The model before.
        small: The model after.
        plan: What was kept; the one embedded in ``small`` where left out.
        shapes: Input shapes by name.
        feeds: Proof inputs, besides random ones.
        run: Whether to run the models.
        runs: Number of random inputs.
        seed: Of the random inputs.

    Raises:
        PlanMismatch: There is no plan, or it is for another model.
    """
    opened = load(small)
    found = plan or embedded_plan(opened)
    inspection = inspect(original, shapes=shapes)
    alive = found.alive(inspection.coupling)
    candidate = Narrowed(opened.proto, {}, opened)
    trial = _trial(run, feeds, seed, runs)
    return verify(inspection.lowered, inspection.coupling, alive, candidate, trial)


def _trial(run: bool, feeds: Sequence[Feeds], seed: int, runs: int = 2) -> Trial | None:
    return Trial(execute, feeds, runs, seed, execute_float64) if run else None
