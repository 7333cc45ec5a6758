"""The allocation policies by name."""

from __future__ import annotations

from typing import Protocol

from graphprune.errors import InfeasibleBudget
from graphprune.passes.allocate.problem import Problem
from graphprune.registry import Registry
from graphprune.scores import Widths


class Policy(Protocol):
    """Chooses how many units every group keeps.

    A policy is a frozen dataclass whose fields are its options, registered under a name.
    """

    def __call__(self, problem: Problem) -> Widths:
        """Chooses among the problem's widths.

        Args:
            problem: Choices, scores and bounds.

        Raises:
            InfeasibleBudget: No choice meets every bound.
        """


POLICIES: Registry[Policy] = Registry("policy")
policy = POLICIES.register


def policies() -> tuple[str, ...]:
    """The names of all policies."""
    return POLICIES.names


def allocate(name: str, problem: Problem, **options: object) -> Widths:
    """Chooses how many units every group keeps.

    Groups that rounding leaves no width but the full one keep it, unless no choice then meets
    every bound: they are narrowed without rounding, and the notes say so.

    Args:
        name: Name of the policy.
        problem: Choices, scores and bounds.
        **options: Fields of the policy.

    Returns:
        Widths whose cost by :meth:`graphprune.cost.CostModel.evaluate` exceeds no bound; where
        units of a group are not alike, :func:`graphprune.passes.allocate.fit` has the last word.

    Raises:
        BadData: There is no such policy or option.
        InfeasibleBudget: No choice meets every bound.
    """
    chosen = POLICIES.create(name, options)
    try:
        return chosen(problem)
    except InfeasibleBudget:
        unrounded = problem.unrounded()
        if unrounded is problem:
            raise
        return chosen(unrounded)
