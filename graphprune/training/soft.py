"""Soft filter pruning: filters are zeroed while the module trains, and may come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphprune.budget import Budget
from graphprune.groups import Alive
from graphprune.inspection import inspect_module
from graphprune.module_result import ModuleResult
from graphprune.passes.score import producers
from graphprune.pipelines.deciding import Question, Stage, decide
from graphprune.plan import Plan
from graphprune.training.targets import Amount

if TYPE_CHECKING:
    from graphprune.frontends.torch import TracedModule
    from graphprune.inspection import Inspection


class SoftPruning:
    """Zeroes the least filters after every epoch, and removes them in the end.

    Source: He et al., "Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks",
    IJCAI 2018, Algorithm 1.

    >>> soft = SoftPruning(module, inputs, macs=0.5)
    >>> for epoch in range(epochs):
    ...     train(module, optimizer)
    ...     soft.step()
    >>> result = soft.finish(optimizer=optimizer)

    What is zeroed are the filters, as in the paper: the weights that make a channel. Its bias and
    the norm that follows stay, which lets gradients bring the filter back in the next epoch
    (unless a ReLU is closed to the constant that a zeroed channel emits because of them: then
    only momentum can). The constant is gone after :meth:`finish`. Filters are ranked across
    coupled layers together, as :func:`graphprune.prune` ranks them.

    Args:
        module: The nn.Module that is trained; move it to its device before.
        example_inputs: What it is called with, as for :func:`graphprune.prune`.
        macs: Budget of multiply-accumulates: a fraction up to 1, or an absolute number.
        params: Budget of parameters.
        memory: Budget of activation memory in bytes.
        channels: Fraction of every group to keep.
        data: Batches for criteria that run the module; gone through again in every step.
        stage: Called with the name of every stage as it begins.
        **options: ``method``, ``criterion``, ``allocation`` and ``selection`` as for
            :func:`graphprune.prune`; other fields of ModuleOptions but ``optimizer`` and
            ``inplace``.

    Attributes:
        budget: What the narrowed module may cost.
        plan: What the last :meth:`step` left; None before the first.

    Raises:
        BadData: A budget or a spec that makes no sense, or a pass needs data or a loss.
        UnsupportedModel: The module cannot be traced.
    """

    def __init__(
        self,
        module: Any,
        example_inputs: Any = None,
        *,
        macs: Amount = None,
        params: Amount = None,
        memory: Amount = None,
        channels: Amount = None,
        data: Iterable[Any] | None = None,
        stage: Stage | None = None,
        **options: Any,
    ) -> None:
        from graphprune.pipelines import torch as modules

        bounds = {"macs": macs, "params": params, "memory": memory, "channels": channels}
        self.budget = Budget.parse(bounds)
        self.plan: Plan | None = None
        self._module, self._example = module, example_inputs
        self._options = modules.ModuleOptions.of(**options)
        modules.require_evidence(self._options, data)
        self._found: Inspection[TracedModule] = inspect_module(
            module, example_inputs, keep=self._options.keep, exact=self._options.exact
        )
        evidence = modules.evidence_of(self._found, data, self._options.loss)
        source = modules.source_of(module)
        self._question = Question(self.budget, self._options, source, evidence, stage or _silent)
        self._alive: Alive = self._found.coupling.everything()

    def step(self) -> Plan:
        """Choose filters by the weights as they are now, and zero the others.

        Returns:
            What would be left if the rest were removed now.

        Raises:
            InfeasibleBudget: No widths meet the budget.
        """
        decided = decide(self._found, self._question, lambda inspection, alive, patch: None)
        self._alive, self.plan = decided.alive, decided.plan
        for tensor, dead in self._filters():
            tensor.masked_fill_(dead, 0)
        return decided.plan

    def finish(self, *, optimizer: Any = None, inplace: bool = False) -> ModuleResult:
        """Remove the zeroed filters.

        Those that the last :meth:`step` zeroed; where there was none, or the module has been
        trained since, they are chosen now.

        Args:
            optimizer: One over the module's parameters, to be narrowed with it.
            inplace: Change the module itself instead of a copy.

        Raises:
            InfeasibleBudget: No widths meet the budget.
        """
        from graphprune.pipelines import torch as modules

        plan = self.plan
        if plan is None or self._is_revived():
            plan = self.step()
        options = replace(self._options, optimizer=optimizer, inplace=inplace)
        return modules.apply(self._module, self._example, plan, options, self._question.say)

    def _is_revived(self) -> bool:
        """Whether a filter that was zeroed has been trained since."""
        return any(bool(t.masked_fill(~dead, 0).any()) for t, dead in self._filters())

    def _filters(self) -> Iterator[tuple[Any, Any]]:
        """The weights that make channels, and where these are dead: a mask that broadcasts."""
        import torch

        from graphprune.frontends.torch.parameters import find

        program, coupling = self._found.lowered.program, self._found.coupling
        for group in coupling:
            for member in producers(coupling, group):
                value = coupling.graph.values[member.param]
                tensor: Any = find(program, value.source or value.name)
                for layer in coupling.layers[member.param]:
                    if layer.axis == member.axis:
                        dead = torch.from_numpy(~self._alive[layer.ids])
                        yield tensor.detach(), dead.to(tensor.device)


def _silent(stage: str) -> None:
    """Say nothing."""
