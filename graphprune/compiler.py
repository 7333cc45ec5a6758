"""The pipeline: load, lower, couple, score, allocate, select, narrow, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from graphprune.budget import Budget
from graphprune.cost import Cost
from graphprune.data import Feeds
from graphprune.errors import InfeasibleBudget, NotEquivalent, PlanMismatch
from graphprune.execution import execute, execute_float64
from graphprune.frontends.onnx import OnnxModel, load
from graphprune.groups import Alive, Group
from graphprune.inspection import Inspection, Model, inspect
from graphprune.ir.graph import Shape
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.narrow import Narrowed, materialise, narrow, replacing, write
from graphprune.passes.score import score
from graphprune.passes.select import select
from graphprune.passes.verify import Proof, Trial, verify
from graphprune.plan import Plan, Source

METADATA_KEY = "graphprune.plan"
Stage = Callable[[str], None]


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
    """

    inspection: Inspection
    plan: Plan
    narrowed: Narrowed
    alive: Alive
    proof: Proof
    cost: tuple[Cost, Cost]
    notes: tuple[str, ...] = ()

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


def prune(
    model: Model,
    example_inputs: Sequence[Feeds] | None = None,
    *,
    macs: str | float | None = None,
    params: str | float | None = None,
    memory: str | float | None = None,
    channels: str | float | None = None,
    criterion: str = "l2",
    allocation: str = "uniform",
    data: Sequence[Feeds] | None = None,
    round_to: int = 1,
    keep: Sequence[str] = (),
    exact: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    seed: int = 0,
    run: bool = True,
    stage: Stage | None = None,
) -> Result:
    """Narrow a model to a budget and prove the result.

    Args:
        model: A path or a ModelProto, which is not changed.
        example_inputs: Inputs to prove the result on, besides random ones.
        macs: Budget of multiply-accumulates: a fraction up to 1, or an absolute number.
        params: Budget of parameters.
        memory: Budget of activation memory in bytes.
        channels: Fraction of every group to keep.
        criterion: How units are scored: see :func:`graphprune.passes.score.criteria`.
        allocation: How widths are chosen: see :func:`graphprune.passes.allocate.policies`.
        data: Calibration batches, used as proof inputs too.
        round_to: What narrowed channel counts should be multiples of.
        keep: Patterns of layers that must stay whole.
        exact: Narrow no group whose narrowing is only approximate.
        shapes: Input shapes by name, where the model leaves them open.
        seed: Of everything random.
        run: Whether to prove the result by running it, or on labels only.
        stage: Called with the name of every stage as it begins.

    Raises:
        InvalidModel: It is not a usable ONNX model.
        InfeasibleBudget: No widths meet the budget.
        UnsupportedModel: An operator cannot be respelled as the plan wants.
        BackendUnavailable: onnxruntime is not installed and ``run`` is true.
    """
    say = stage or (lambda name: None)
    budget = Budget.parse(
        {"macs": macs, "params": params, "memory": memory, "channels": channels}
    )
    say("finding coupled channels")
    inspection = inspect(model, shapes=shapes, keep=keep, exact=exact)
    coupling = inspection.coupling
    _require_groups(inspection)
    say(f"scoring channels by {criterion}")
    scores = score(criterion, coupling, inspection.lowered.contents, seed)
    say(f"choosing widths ({allocation})")
    cost_model = inspection.cost_model
    bounds = budget.resolve(cost_model.full)
    problem = Problem.of(coupling, scores, cost_model, bounds, round_to=round_to, seed=seed)
    widths, alive = fit(
        problem,
        allocate(allocation, problem),
        lambda candidate: select("top", coupling, scores, candidate, seed),
    )
    plan = Plan.of(
        coupling,
        alive,
        source=_source(inspection.lowered.model),
        method={"criterion": criterion, "allocation": allocation, "round_to": round_to},
        budget=budget,
        seed=seed,
    )
    trial = _trial(run, [*(example_inputs or ()), *(data or ())], seed)
    return _finish(inspection, plan, alive, trial, say, widths.notes)


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
    trial = _trial(run, feeds, seed)
    return _finish(inspection, plan, alive, trial, say, ())


def _finish(
    inspection: Inspection,
    plan: Plan,
    alive: Alive,
    trial: Trial | None,
    say: Stage,
    notes: tuple[str, ...],
) -> Result:
    """From a decided plan to a proven model."""
    lowered, coupling = inspection.lowered, inspection.coupling
    say("rewriting the graph")
    narrowed = narrow(lowered, coupling, alive).with_metadata(METADATA_KEY, plan.to_json())
    say("proving the result")
    proof = verify(lowered, coupling, alive, narrowed, trial)
    cost = (inspection.cost_model.full, inspection.cost_model.exact(alive))
    return Result(inspection, plan, narrowed, alive, proof, cost, notes)


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
