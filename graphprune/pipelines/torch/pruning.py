"""A PyTorch module in, a narrower trainable module out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from graphprune.budget import Budget
from graphprune.evidence import Evidence
from graphprune.frontends.torch import Observed, TracedModule
from graphprune.frontends.torch.modes import evaluating, set_modes
from graphprune.groups import Alive
from graphprune.inspection import Inspection, inspect_module
from graphprune.module_result import ModuleResult
from graphprune.passes.narrow.torch import NarrowedModule, narrow_module
from graphprune.passes.reconstruct import Patch, planned
from graphprune.passes.verify.torch import ModuleTrial, verify_module
from graphprune.pipelines.deciding import Decided, Question, Stage, decide
from graphprune.pipelines.options import Options
from graphprune.plan import Plan, Source
from graphprune.result import not_equivalent

_GIVE_LOSS = (
    "give loss=, such as torch.nn.CrossEntropyLoss() where batches are pairs (inputs, targets), "
    "or a function that is called as loss(module, batch)"
)


@dataclass(frozen=True)
class ModuleOptions(Options):
    """How a module is pruned.

    Attributes:
        inplace: Change the module itself instead of a copy.
        strict: Refuse rather than give a GraphModule where the module's own class cannot follow.
        optimizer: One over the module's parameters, to be narrowed with it.
        loss: For criteria that need gradients: called with the module and a batch, it gives the
            loss; a loss of outputs and targets such as ``torch.nn.CrossEntropyLoss()`` will do
            where batches are pairs of inputs and targets.
    """

    inplace: bool = False
    strict: bool = False
    optimizer: Any = None
    loss: Any = None


def prune(
    module: Any,
    example_inputs: Any,
    budget: Budget,
    options: ModuleOptions,
    data: Iterable[Any] | None,
    say: Stage,
) -> ModuleResult:
    """Narrow a module to a budget and prove the result.

    Args:
        module: An nn.Module or an ExportedProgram.
        example_inputs: What it is called with.
        budget: What must not be exceeded.
        options: How to decide.
        data: Batches for criteria that look at activations or gradients.
        say: Told the name of every stage as it begins.

    Raises:
        BadData: A pass needs data or a loss, and there are none.
        NotEquivalent: The proof failed and the module should be changed in place.
    """
    require_evidence(options, data)
    say("tracing the module")
    found = inspect_module(module, example_inputs, keep=options.keep, exact=options.exact)
    evidence = evidence_of(found, data, options.loss)
    return prune_inspected(found, Question(budget, options, source_of(module), evidence, say))


def prune_inspected(found: Inspection[TracedModule], question: Question) -> ModuleResult:
    """As :func:`prune`, of a module that is traced already.

    Args:
        found: The module.
        question: What is asked; its options are ModuleOptions.

    Raises:
        NotEquivalent: The proof failed and the module should be changed in place.
    """
    options = question.options
    assert isinstance(options, ModuleOptions)
    with evaluating(found.lowered.module) as modes:
        decided = decide(
            found,
            question,
            lambda inspection, alive, patch: _rewrite(inspection, alive, patch, options),
        )
        result = _finish(decided, options, question.say)
    set_modes(result.model, modes)
    return result


def require_evidence(options: ModuleOptions, data: Iterable[Any] | None) -> None:
    """Refuses passes that need more than was given, before the module is traced.

    Args:
        options: How to decide.
        data: Batches, or None.

    Raises:
        BadData: A pass needs data or a loss, and there are none.
    """
    missing = {"data": "give batches: data="} if data is None else {}
    if options.loss is None:
        missing["gradients"] = _GIVE_LOSS
    options.require(missing)


def evidence_of(
    found: Inspection[TracedModule], data: Iterable[Any] | None, loss: Any = None
) -> Evidence:
    """What criteria may look at: the module's weights as they are then, and data.

    Args:
        found: The module.
        data: Batches, or None.
        loss: For gradients.
    """
    observer = None if data is None else Observed(found.lowered, data, loss)
    return Evidence(found.lowered.contents, observer, "give data=, and loss= for gradients")


def apply(
    module: Any, example_inputs: Any, plan: Plan, options: ModuleOptions, say: Stage
) -> ModuleResult:
    """Narrow a fresh copy of a module by an existing plan."""
    say("tracing the module")
    inspection = inspect_module(module, example_inputs)
    alive, patch = planned(plan, inspection.coupling, "torch")
    say("rewriting the graph")
    with evaluating(module) as modes:
        narrowed = _rewrite(inspection, alive, patch, options)
        decided = Decided(inspection, plan, alive, narrowed, (), patch=patch)
        result = _finish(decided, options, say)
    set_modes(result.model, modes)
    return result


def _rewrite(
    inspection: Inspection[TracedModule],
    alive: Alive,
    patch: Patch | None,
    options: ModuleOptions,
) -> NarrowedModule:
    """The narrowed copy; the module itself is only touched once that is proven."""
    return narrow_module(
        inspection.lowered,
        inspection.coupling,
        alive,
        patch=patch,
        strict=options.strict or options.inplace,
        optimizer=None if options.inplace else options.optimizer,
    )


def _finish(
    decided: Decided[TracedModule, NarrowedModule], options: ModuleOptions, say: Stage
) -> ModuleResult:
    """From a rewritten module to a proven one."""
    say("proving the result")
    found, alive, narrowed = decided.inspection, decided.alive, decided.narrowed
    trial = ModuleTrial([found.lowered.example], seed=options.seed) if options.run else None
    proof = verify_module(found.lowered, found.coupling, alive, narrowed, trial, decided.patch)
    cost = (found.cost_model.full, found.cost_model.exact(alive))
    if options.inplace:
        if not proof.ok:
            raise not_equivalent(proof)
        narrowed = narrow_module(
            found.lowered,
            found.coupling,
            alive,
            patch=decided.patch,
            inplace=True,
            strict=True,
            optimizer=options.optimizer,
        )
    notes = decided.notes + narrowed.remarks
    return ModuleResult(
        found, decided.plan, narrowed, alive, proof, cost, notes, decided.guarantees
    )


def source_of(module: Any) -> Source:
    """A module by its class, and by what a plan must fit: names and shapes of its tensors."""
    exported = isinstance(module, torch.export.ExportedProgram)
    held = module.state_dict if exported else module.state_dict()
    lines = [f"{name} {tuple(held[name].shape)} {held[name].dtype}" for name in sorted(held)]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Source("torch", digest, type(module).__name__)
