"""What a user may say about a pruning besides the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from graphprune.errors import BadData
from graphprune.ir.graph import Shape
from graphprune.passes.allocate import Policy
from graphprune.passes.score import Criterion
from graphprune.passes.select import Selector
from graphprune.pipelines.methods import PARTS, choose

Given = TypeVar("Given", bound="Options")

_NEEDS = {
    "data": ("data", "it looks at what the model does, not at its weights alone"),
    "gradients": ("a loss", "it looks at the gradients of one"),
}
"""What every one of :data:`graphprune.registry.NEEDS` asks of the user, and why."""


@dataclass(frozen=True)
class Options:
    """How a pruning is decided and proven.

    Users give specs in any spelling, or passes: see :meth:`of`.

    Attributes:
        method: Spec of the method that was asked for, or None.
        criterion: Spec of how units are scored: see :func:`graphprune.passes.score.criteria`.
        allocation: Spec of how widths are chosen: see :func:`graphprune.passes.allocate.policies`.
        selection: Spec of how units are chosen once the widths are known: see
            :func:`graphprune.passes.select.selectors`.
        round_to: What narrowed channel counts should be multiples of.
        keep: Patterns of layers that must stay whole.
        exact: Narrow no group whose narrowing is only approximate.
        shapes: Input shapes by name, where an ONNX model leaves them open.
        seed: Of everything random.
        run: Whether to prove the result by running it, or on labels only.
    """

    method: str | None = None
    criterion: str = "l2"
    allocation: str = "uniform"
    selection: str = "top"
    round_to: int = 1
    keep: Sequence[str] = ()
    exact: bool = False
    shapes: Mapping[str, Shape] | None = None
    seed: int = 0
    run: bool = True

    @classmethod
    def of(
        cls: type[Given],
        *,
        method: str | None = None,
        criterion: str | Criterion | None = None,
        allocation: str | Policy | None = None,
        selection: str | Selector | None = None,
        **others: Any,
    ) -> Given:
        """Options as users give them.

        Args:
            method: A method with its options, such as ``pfp:delta=1e-8``: see
                :mod:`graphprune.pipelines.methods`.
            criterion: Instead of the method's: a spec such as ``pfp:sensitivity=edge``, or a pass.
            allocation: Likewise, such as ``global:min_keep=0.1``.
            selection: Likewise.
            **others: Fields of these options.

        Raises:
            BadData: A spec is misspelled, or names what does not exist.
        """
        given = {"criterion": criterion, "allocation": allocation, "selection": selection}
        return cls(**vars(choose(method, given)), **others)

    @property
    def decided_by(self) -> dict[str, str | int]:
        """What plans say about how units were chosen."""
        named = {} if self.method is None else {"method": self.method}
        return {**named, **{part: getattr(self, part) for part in PARTS}, "round_to": self.round_to}

    def needs(self, what: str) -> str | None:
        """The first pass that cannot do without something, such as ``criterion 'taylor'``.

        Args:
            what: One of :data:`graphprune.registry.NEEDS`.

        Raises:
            BadData: There is no such pass.
        """
        for part, registry in PARTS.items():
            if what in registry.needs(getattr(self, part)):
                return f"{part} '{getattr(self, part)}'"
        return None

    def require(self, missing: Mapping[str, str]) -> None:
        """Refuses passes that need more than there is, before anything is computed.

        Args:
            missing: How to mend it, by those of :data:`graphprune.registry.NEEDS` that there are
                not.

        Raises:
            BadData: A pass needs one of them.
        """
        for what, fix in missing.items():
            needy, (noun, why) = self.needs(what), _NEEDS[what]
            if needy is not None:
                raise BadData(f"{needy} needs {noun}", why=why, fix=fix)
