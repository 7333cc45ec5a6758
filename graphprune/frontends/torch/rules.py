"""The table of lowering rules: how each PyTorch operator is lowered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphprune.frontends.torch.builder import Builder
    from graphprune.frontends.torch.call import Call

# The name of the value that holds the result; several names where the operator has several
# results, an empty one for a result that the rule does not know.
Result = str | Sequence[str]
Rule = Callable[["Call", "Builder"], Result]
RULES: dict[str, Rule] = {}


class UnsupportedForm(Exception):
    """A rule met a form of its operator that it does not cover; the node becomes opaque."""


def lowers(*ops: str) -> Callable[[Rule], Rule]:
    """Register the lowering of operators, all overloads and the in-place variant included.

    Args:
        ops: Names without overload, with a namespace before ``::`` unless it is ``aten``.

    Raises:
        ValueError: An operator already has one.
    """

    def register(function: Rule) -> Rule:
        for op in ops:
            if op in RULES:
                raise ValueError(f"'{op}' is lowered twice")
            RULES[op] = function
        return function

    return register
