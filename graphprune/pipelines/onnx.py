"""ONNX in, narrower ONNX out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphprune.budget import Budget
from graphprune.data import Feeds
from graphprune.errors import UnsupportedModel
from graphprune.evidence import Evidence
from graphprune.execution import execute, execute_float64
from graphprune.frontends.onnx import Lowered, OnnxModel, load
from graphprune.frontends.onnx.origins import origins
from graphprune.groups import Alive
from graphprune.inspection import Inspection, Model, inspect_onnx
from graphprune.ir.graph import Shape
from graphprune.observation import ObservedOnnx
from graphprune.passes.narrow import Narrowed, narrow
from graphprune.passes.reconstruct import Patch, planned
from graphprune.passes.verify import Proof, Trial, verify
from graphprune.pipelines.deciding import Decided, Question, Stage, decide
from graphprune.pipelines.options import Options
from graphprune.plan import Plan, Source
from graphprune.result import METADATA_KEY, Result, embedded_plan

_GIVE_DATA = "give calibration batches: data=, or --data FILE.npz"


def prune(
    model: Model,
    budget: Budget,
    options: Options,
    feeds: Sequence[Feeds],
    say: Stage,
    data: Sequence[Feeds] = (),
) -> Result:
    """Narrow a model to a budget and prove the result.

    Args:
        model: A path or a ModelProto, which is not changed.
        budget: What must not be exceeded.
        options: How to decide.
        feeds: Inputs to prove the result on, besides random ones.
        say: Told the name of every stage as it begins.
        data: Batches for criteria that look at activations.

    Raises:
        UnsupportedModel: A pass needs gradients.
        BadData: A pass needs data, and there are none.
    """
    _require(options, data)
    say("finding coupled channels")
    found = inspect_onnx(model, shapes=options.shapes, keep=options.keep, exact=options.exact)
    observer = ObservedOnnx(found.lowered, data) if data else None
    evidence = Evidence(found.lowered.contents, observer, _GIVE_DATA)
    source, named = _source(found.lowered.model), origins(found.lowered)
    question = Question(budget, options, source, evidence, say, origins=named)
    decided = decide(found, question, _rewrite)
    trial = trial_of(options.run, feeds, options.seed)
    return _finish(decided, trial, say)


def apply(
    model: Model,
    plan: Plan,
    options: Options,
    feeds: Sequence[Feeds],
    say: Stage,
) -> Result:
    """Narrow a fresh copy of a model by an existing plan."""
    say("finding coupled channels")
    inspection = inspect_onnx(model, shapes=options.shapes)
    alive, patch = planned(plan, inspection.coupling, "onnx", origins(inspection.lowered))
    say("rewriting the graph")
    narrowed = _rewrite(inspection, alive, patch)
    trial = trial_of(options.run, feeds, options.seed)
    return _finish(Decided(inspection, plan, alive, narrowed, (), patch=patch), trial, say)


def check(
    original: Model,
    small: Model,
    plan: Plan | None,
    shapes: Mapping[str, Shape] | None,
    trial: Trial | None,
) -> Proof:
    """Prove a narrowed file against its original."""
    opened = load(small)
    found = plan or embedded_plan(opened)
    inspection = inspect_onnx(original, shapes=shapes)
    alive, patch = planned(found, inspection.coupling, "onnx", origins(inspection.lowered))
    candidate = Narrowed(opened.proto, {}, opened)
    return verify(inspection.lowered, inspection.coupling, alive, candidate, trial, patch)


def trial_of(run: bool, feeds: Sequence[Feeds], seed: int, runs: int = 2) -> Trial | None:
    """How models are run for the proof; None to replay labels only."""
    return Trial(execute, feeds, runs, seed, execute_float64) if run else None


def _require(options: Options, data: Sequence[Feeds]) -> None:
    needy = options.needs("gradients")
    if needy is not None:
        raise UnsupportedModel(
            f"{needy} cannot be used on an ONNX model",
            why="it looks at the gradients of a loss, and gradients need the nn.Module",
            fix="prune the module before it is exported: graphprune.prune(module, inputs, "
            "data=..., loss=...); or choose what needs no gradients: graphprune passes",
        )
    options.require({} if data else {"data": _GIVE_DATA})


def _rewrite(inspection: Inspection[Lowered], alive: Alive, patch: Patch | None) -> Narrowed:
    return narrow(inspection.lowered, inspection.coupling, alive, patch)


def _source(model: OnnxModel) -> Source:
    return Source("onnx", model.sha256, model.path.name if model.path else "")


def _finish(decided: Decided[Lowered, Narrowed], trial: Trial | None, say: Stage) -> Result:
    """From a rewritten model to a proven one."""
    found, alive, plan = decided.inspection, decided.alive, decided.plan
    labelled = decided.narrowed.with_metadata(METADATA_KEY, plan.to_json())
    say("proving the result")
    proof = verify(found.lowered, found.coupling, alive, labelled, trial, decided.patch)
    cost = (found.cost_model.full, found.cost_model.exact(alive))
    return Result(found, plan, labelled, alive, proof, cost, decided.notes, decided.guarantees)
