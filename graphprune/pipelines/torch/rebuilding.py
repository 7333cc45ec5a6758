"""A PyTorch module in, a module with other widths and fresh weights out: before it is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from graphprune.budget import Budget
from graphprune.copies import copies_of
from graphprune.errors import BadData, InfeasibleBudget, UnsupportedModel
from graphprune.frontends.torch import TracedModule
from graphprune.frontends.torch.modes import evaluating, set_modes
from graphprune.groups import Copies
from graphprune.inspection import Inspection, inspect_module, without
from graphprune.module_result import ModuleResult
from graphprune.passes.allocate import Problem, rounding
from graphprune.passes.allocate.precrop_programme import Solution, solve_problem
from graphprune.passes.narrow.growable import ungrowable
from graphprune.passes.narrow.torch import NarrowedModule, narrow_module
from graphprune.passes.narrow.torch.expected import Expected
from graphprune.passes.narrow.torch.fresh import Initialiser, initialise
from graphprune.passes.verify.torch import ModuleTrial
from graphprune.passes.verify.torch.rebuilt import verify_rebuilt
from graphprune.pipelines.deciding import Stage
from graphprune.pipelines.torch.pruning import source_of
from graphprune.plan import Plan
from graphprune.result import not_equivalent
from graphprune.scores import Scores

Traced = Inspection[TracedModule]


@dataclass(frozen=True)
class Rebuilding:
    """How a module is rebuilt.

    Attributes:
        init: Called with every sub-module after its layers drew their weights, as
            ``torch.nn.Module.apply`` does; None for what the layers draw themselves.
        seed: Of the weights.
        run: Whether to prove the result by running it, or on labels only.
        strict: Refuse rather than give a GraphModule where the module's own class cannot follow.
    """

    init: Initialiser | None = None
    seed: int = 0
    run: bool = True
    strict: bool = False


def opened(module: Any, example_inputs: Any, keep: Sequence[str], cap: float) -> Traced:
    """A module whose groups may get other widths.

    Args:
        module: An nn.Module.
        example_inputs: What it is called with.
        keep: Patterns of what must stay as it is.
        cap: No group becomes wider than this multiple of its width.

    Raises:
        BadData: It is no nn.Module, or ``cap`` is less than 1.
    """
    require_module(module)
    if cap < 1:
        raise BadData(
            f"cap cannot be {cap:g}", why="it is less than 1", fix="see graphprune.precrop"
        )
    return inspect_module(module, example_inputs, keep=keep)


def preconfig(
    found: Traced,
    budget: Budget,
    how: Rebuilding,
    *,
    cap: float,
    round_to: int,
    say: Stage,
) -> ModuleResult:
    """Rebuild a module with the widths that keep the product of its layer densities largest.

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549
    (PreConfig); widths are those of coupled groups.

    Args:
        found: The module.
        budget: What must not be exceeded.
        how: How it is rebuilt.
        cap: No group becomes wider than this multiple of its width.
        round_to: What channel counts should be multiples of.
        say: Told the name of every stage as it begins.

    Raises:
        InfeasibleBudget: No widths meet the budget.
    """
    notes = tuple(_limited(found, cap))
    while True:
        _require_groups(found)
        say("choosing widths (preconfig)")
        solution = solve_problem(_problem(found, budget, cap, round_to))
        copies = copies_of(found.coupling, solution.widths)
        say("rebuilding the module")
        try:
            narrowed = _rewidened(found, copies, how)
        except UnsupportedModel as error:
            found, names = without(found, error)
            notes += (f"{', '.join(names)} kept their width: {error.where}: {error.why}",)
            continue
        plan = _planned(found, copies, _method(solution, cap, round_to), budget, how.seed)
        return _finish(found, plan, copies, narrowed, how, notes, say)


def rebuild(found: Traced, widths: Mapping[str, int], how: Rebuilding, say: Stage) -> ModuleResult:
    """Rebuild a module with given widths.

    Args:
        found: The module.
        widths: Units in a row by the group's name; other groups keep theirs.
        how: How it is rebuilt.
        say: Told the name of every stage as it begins.

    Raises:
        UnsupportedModel: It cannot have these widths.
    """
    fixed = ungrowable(found.coupling)
    for group in found.coupling:
        if widths.get(group.name, 0) > group.width and group.name in fixed:
            raise UnsupportedModel(
                f"{group.name} cannot become wider",
                where=" ".join(map(str, group.members)),
                why=fixed[group.name],
            )
    copies = copies_of(found.coupling, widths)
    plan = _planned(found, copies, {"allocation": "given"}, Budget(), how.seed)
    narrowed = _rewidened(found, copies, how)
    return _finish(found, plan, copies, narrowed, how, (), say)


def apply(
    module: Any, example_inputs: Any, plan: Plan, options: Mapping[str, Any], say: Stage
) -> ModuleResult:
    """Rebuild a fresh copy of a module by an existing plan.

    Args:
        module: An nn.Module.
        example_inputs: What it is called with.
        plan: One that grows.
        options: Fields of Rebuilding; the seed is the plan's where it is left out.
        say: Told the name of every stage as it begins.

    Raises:
        BadData: An option that makes no sense for fresh weights.
        PlanMismatch: The plan was made for another model.
    """
    require_module(module)
    known = {field.name for field in fields(Rebuilding)}
    for name in options:
        if name not in known:
            raise BadData(
                f"a module that is rebuilt wider cannot have {name}=",
                why="its weights are fresh: nothing is left to narrow in place or to follow",
                fix=f"leave it out; there are: {', '.join(sorted(known))}",
            )
    how = Rebuilding(**{"seed": plan.seed, **options})
    say("tracing the module")
    found = inspect_module(module, example_inputs)
    copies = plan.copies(found.coupling)
    say("rebuilding the module")
    narrowed = _rewidened(found, copies, how)
    return _finish(found, plan, copies, narrowed, how, (), say)


def refreshed(result: ModuleResult, init: Initialiser | None, seed: int) -> ModuleResult:
    """A narrowed module whose layers draw anew what lost channels, in place.

    Args:
        result: What pruning gave.
        init: Called with every sub-module afterwards, or None.
        seed: Of the weights.
    """
    expected = Expected(result.inspection.lowered, result.inspection.coupling, result.alive)
    notes = initialise(expected, result.narrowed, seed=seed, init=init)
    plan = replace(result.plan, method={**result.plan.method, "init": "fresh"})
    return replace(result, plan=plan, notes=result.notes + notes)


def require_module(module: Any) -> None:
    """Refuses what has no layers that could draw their weights.

    Raises:
        BadData: It is no nn.Module.
    """
    if not isinstance(module, torch.nn.Module):
        raise BadData(
            f"an object of type '{type(module).__name__}' cannot be initialised",
            why="only the layers of an nn.Module know how their weights are drawn",
            fix="give the nn.Module",
        )


def _require_groups(found: Traced) -> None:
    if not found.coupling.groups:
        raise InfeasibleBudget(
            "no layer of this module can have another width",
            where=type(found.lowered.module).__name__,
            fix="see all reasons with graphprune.inspect(module, inputs).coupling.text()",
        )


def _problem(found: Traced, budget: Budget, cap: float, round_to: int) -> Problem:
    """The widths that are open to every group, some of them above its own."""
    coupling, fixed = found.coupling, ungrowable(found.coupling)
    bounds = budget.resolve(found.cost_model.full)
    problem = Problem.of(coupling, Scores({}), found.cost_model, bounds, round_to=round_to)
    wider = []
    for group, choices in zip(coupling, problem.choices, strict=True):
        most = group.width if group.name in fixed else int(cap * group.width + 1e-9)
        step = rounding.step(coupling, group, round_to)
        more = np.arange(step, most + 1, step)
        wider.append(np.union1d(choices, more[more > group.width]))
    return replace(problem, choices=tuple(wider))


def _limited(found: Traced, cap: float) -> Sequence[str]:
    """Notes on groups that cannot grow, one a reason."""
    if cap <= 1:
        return ()
    names: dict[str, list[str]] = defaultdict(list)
    for name, why in ungrowable(found.coupling).items():
        names[why].append(name)
    return [f"{', '.join(group)} can only shrink: {why}" for why, group in names.items()]


def _method(solution: Solution, cap: float, round_to: int) -> dict[str, str | float]:
    objective = {"objective": round(solution.objective, 6), "optimum": round(solution.optimum, 6)}
    return {"allocation": "preconfig", "cap": cap, "round_to": round_to, **objective}


def _planned(
    found: Traced,
    copies: Copies,
    method: Mapping[str, str | float],
    budget: Budget,
    seed: int,
) -> Plan:
    source = source_of(found.lowered.module)
    return Plan.of(found.coupling, copies, source=source, method=method, budget=budget, seed=seed)


def _rewidened(found: Traced, copies: Copies, how: Rebuilding) -> NarrowedModule:
    with evaluating(found.lowered.module):
        return narrow_module(found.lowered, found.coupling, copies, strict=how.strict)


def _finish(
    found: Traced,
    plan: Plan,
    copies: Copies,
    narrowed: NarrowedModule,
    how: Rebuilding,
    notes: tuple[str, ...],
    say: Stage,
) -> ModuleResult:
    """From a module with the widths to a proven one with weights of its own."""
    traced, coupling = found.lowered, found.coupling
    say("proving the result")
    trial = ModuleTrial([traced.example], seed=how.seed) if how.run else None
    proof = verify_rebuilt(traced, coupling, copies, narrowed, trial)
    if not proof.ok:
        raise not_equivalent(proof)
    say("drawing weights")
    expected = Expected(traced, coupling, copies)
    notes += narrowed.remarks + initialise(expected, narrowed, seed=how.seed, init=how.init)
    with evaluating(traced.module) as modes:
        set_modes(narrowed.module, modes)
    cost = (found.cost_model.full, found.cost_model.exact(copies))
    return ModuleResult(found, plan, narrowed, copies > 0, proof, cost, notes, copies=copies)
