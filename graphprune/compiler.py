"""What users call: prune, apply, check. Each kind of model has a pipeline of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from graphprune import checkpoint
from graphprune.budget import Budget
from graphprune.data import Feeds
from graphprune.inspection import Model, is_module
from graphprune.ir.graph import Shape
from graphprune.module_result import ModuleResult
from graphprune.passes.verify import Proof
from graphprune.pipelines import onnx as onnx_models
from graphprune.pipelines.deciding import Stage
from graphprune.pipelines.options import Options
from graphprune.plan import Plan
from graphprune.result import Result, embedded_plan, not_equivalent, plan_path

__all__ = [
    "ModuleResult",
    "Options",
    "Result",
    "apply",
    "check",
    "embedded_plan",
    "load",
    "not_equivalent",
    "plan_path",
    "prune",
    "save",
]

Amount = str | float | None

PROOF_BATCHES = 8
"""Batches of ``data`` that an ONNX result is proven on: both models run on each of them."""


@overload
def prune(model: Model, example_inputs: Sequence[Feeds] | None = None, **how: Any) -> Result: ...
@overload
def prune(model: Any, example_inputs: Any, **how: Any) -> ModuleResult: ...
def prune(
    model: Any,
    example_inputs: Any = None,
    *,
    macs: Amount = None,
    params: Amount = None,
    memory: Amount = None,
    channels: Amount = None,
    data: Iterable[Any] | None = None,
    stage: Stage | None = None,
    **options: Any,
) -> Result | ModuleResult:
    """Narrow a model to a budget and prove the result.

    Args:
        model: A path, a ModelProto, an nn.Module or an ExportedProgram.
        example_inputs: What a module is called with, or feeds to prove an ONNX result on.
        macs: Budget of multiply-accumulates: a fraction up to 1, or an absolute number.
        params: Budget of parameters.
        memory: Budget of activation memory in bytes.
        channels: Fraction of every group to keep.
        data: Batches for criteria; for ONNX feeds, the first of which prove the result too.
        stage: Called with the name of every stage as it begins.
        **options: Of Options.of (modules: ModuleOptions.of), such as ``method="pfp:delta=1e-8"``.

    Raises:
        BadData: A spec is misspelled, or a pass needs data or a loss.
        InvalidModel: It is not a usable ONNX model.
        UnsupportedModel: The module cannot be traced.
        InfeasibleBudget: No widths meet the budget.
    """
    budget = Budget.parse({"macs": macs, "params": params, "memory": memory, "channels": channels})
    if is_module(model):
        from graphprune.pipelines import torch as modules

        how = modules.ModuleOptions.of(**options)
        return modules.prune(model, example_inputs, budget, how, data, stage or _silent)
    chosen, batches = Options.of(**options), list(data or ())
    feeds = [*(example_inputs or ()), *batches[:PROOF_BATCHES]]
    return onnx_models.prune(model, budget, chosen, feeds, stage or _silent, batches)


@overload
def apply(model: Model, plan: Plan, example_inputs: None = None, **how: Any) -> Result: ...
@overload
def apply(model: Any, plan: Plan, example_inputs: Any, **how: Any) -> ModuleResult: ...
def apply(
    model: Any,
    plan: Plan,
    example_inputs: Any = None,
    *,
    feeds: Sequence[Feeds] = (),
    stage: Stage | None = None,
    **options: Any,
) -> Result | ModuleResult:
    """Narrow a fresh copy of a model by an existing plan.

    A plan that holds channels which the model has not (from :func:`graphprune.preconfig`) rebuilds
    an nn.Module, whose layers draw the weights of all that changes.

    Args:
        model: A path, a ModelProto, an nn.Module or an ExportedProgram.
        plan: Made for this model or one with the same parameters and shapes.
        example_inputs: What a module is called with.
        feeds: Inputs to prove an ONNX result on, besides random ones.
        stage: Called with the name of every stage as it begins.
        **options: ``shapes``, ``run``, ``seed``; for modules ``run``, ``seed``, ``inplace``,
            ``strict``, ``optimizer``; where it is rebuilt ``run``, ``seed``, ``strict``, ``init``.

    Raises:
        PlanMismatch: The plan was made for another model.
    """
    say = stage or _silent
    if is_module(model) and plan.grows:
        from graphprune.pipelines.torch import rebuilding

        return rebuilding.apply(model, example_inputs, plan, options, say)
    if is_module(model):
        from graphprune.pipelines import torch as modules

        chosen = modules.ModuleOptions.of(**options)
        return modules.apply(model, example_inputs, plan, chosen, say)
    return onnx_models.apply(model, plan, Options.of(**options), feeds, say)


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
    trial = onnx_models.trial_of(run, feeds, seed, runs)
    return onnx_models.check(original, small, plan, shapes, trial)


def save(result: Result | ModuleResult, path: str | Path) -> None:
    """Write what pruning gave: an ONNX file, or a module's plan and weights as one file.

    Args:
        result: What :func:`prune` or :func:`apply` gave.
        path: The file to write.

    Raises:
        NotEquivalent: The proof failed.
    """
    result.save(path)


def load(path: str | Path, module: Any, example_inputs: Any) -> Any:
    """Give a fresh copy of a module the widths and the weights in a file.

    Args:
        path: What :func:`save` wrote for a narrowed module.
        module: A module of the original's class and widths; it is not changed.
        example_inputs: What it is called with.

    Returns:
        The narrowed module, on the device of ``module``.

    Raises:
        BadData: The file cannot be read.
        PlanMismatch: It was written for another module.
    """
    plan, weights = checkpoint.read(Path(path))
    result = apply(module, plan, example_inputs, run=False)
    result.model.load_state_dict(weights)
    return result.model


def _silent(stage: str) -> None:
    """Say nothing."""
