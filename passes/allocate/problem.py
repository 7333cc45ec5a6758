"""What an allocation policy is given: widths to choose from, scores to lose, bounds to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from graphprune.budget import Bounds
from graphprune.cost import CostModel
from graphprune.errors import BadData, InfeasibleBudget
from graphprune.evidence import Evidence
from graphprune.groups import Coupling, Ids
from graphprune.passes.allocate import rounding
from graphprune.scores import Scores, Widths
from graphprune.terms import Floats

# Widths come out of divisions: 7.9999999 stands for 8.
_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Problem:
    """Choose a width for every group so that all bounds hold.

    Width vectors are in the coupling's order of groups, in units kept a row.

    Attributes:
        coupling: The network and its groups.
        scores: Importance of every unit.
        model: Cost as a function of the widths.
        bounds: What may not be exceeded.
        choices: For every group the widths it may have, ascending.
        round_to: What narrowed channel counts should be multiples of.
        seed: Seed of whatever a policy draws at random.
        relaxed: Names of groups whose rounding was given up.
        most: Units a row that groups may keep at most, besides the bounds, by name.
        evidence: What policies may look at that are not content with scores.
    """

    coupling: Coupling
    scores: Scores
    model: CostModel
    bounds: Bounds
    choices: tuple[Ids, ...]
    round_to: int = 1
    seed: int = 0
    relaxed: frozenset[str] = frozenset()
    most: Mapping[str, int] = field(default_factory=dict)
    evidence: Evidence | None = None

    @classmethod
    def of(
        cls,
        coupling: Coupling,
        scores: Scores,
        model: CostModel,
        bounds: Bounds,
        *,
        round_to: int = 1,
        seed: int = 0,
        most: Mapping[str, int] | None = None,
        evidence: Evidence | None = None,
    ) -> Problem:
        """States the problem of a network.

        A bound on ``channels`` caps every group's width at that fraction, rounded down, and then
        down to the nearest width that ``round_to`` allows (up, where there is none).

        Args:
            coupling: The network and its groups.
            scores: Importance of every unit.
            model: Cost as a function of the widths.
            bounds: What may not be exceeded.
            round_to: What narrowed channel counts should be multiples of.
            seed: Seed of whatever a policy draws at random.
            most: Units a row that groups may keep at most, besides the bounds, by name.
            evidence: What policies may look at that are not content with scores.

        Raises:
            ValueError: ``round_to`` is less than 1.
        """
        if round_to < 1:
            raise ValueError(f"round_to is {round_to}, not a positive number")
        widths = tuple(rounding.choices(coupling, group, round_to) for group in coupling)
        problem = cls(coupling, scores, model, bounds, widths, round_to, seed)
        return replace(problem, most=dict(most or {}), evidence=evidence).capped()

    def observed(self, policy: str) -> Evidence:
        """The evidence, for a policy that cannot do without.

        Args:
            policy: Its name.

        Raises:
            BadData: There is none.
        """
        if self.evidence is None:
            raise BadData(
                f"allocation '{policy}' needs the weights of the model",
                why="it scores them by itself",
                fix="state the problem with evidence=",
            )
        return self.evidence

    def capped(self) -> Problem:
        """The same problem without the widths that ``channels`` and :attr:`most` forbid."""
        capped = (
            widths[: max(1, np.searchsorted(widths, cap, side="right"))]
            for widths, cap in zip(self.choices, self.caps, strict=True)
        )
        return replace(self, choices=tuple(capped))

    def at_least(self, fraction: float) -> Problem:
        """The same problem without widths below a fraction of the full ones.

        The widest choice of every group stays.
        """
        floors = np.ceil(fraction * self.model.widths - _SLACK)
        kept = (
            widths[min(len(widths) - 1, np.searchsorted(widths, floor)) :]
            for widths, floor in zip(self.choices, floors, strict=True)
        )
        return replace(self, choices=tuple(kept))

    def unrounded(self) -> Problem:
        """The same problem with every width open to groups that rounding left none but the full.

        Returns:
            The problem itself where there is no such group.
        """
        stuck = {
            group.name
            for group in self.coupling
            if group.width > 1 and rounding.step(self.coupling, group, self.round_to) > group.width
        }
        if not stuck or self.relaxed:
            return self
        widths = tuple(
            np.arange(1, group.width + 1) if group.name in stuck else choices
            for group, choices in zip(self.coupling, self.choices, strict=True)
        )
        return replace(self, choices=widths, relaxed=frozenset(stuck)).capped()

    @property
    def caps(self) -> Floats:
        """The most units a row that ``channels`` and :attr:`most` leave to every group."""
        fraction = self.bounds.channels
        kept = self.model.widths * (1.0 if fraction is None else fraction)
        kept = np.minimum(kept, [self.most.get(group.name, group.width) for group in self.coupling])
        return np.asarray(np.maximum(1.0, np.floor(kept + _SLACK)), dtype=np.float64)

    @property
    def narrowest(self) -> Ids:
        """The smallest choice of every group."""
        return np.array([widths[0] for widths in self.choices], dtype=np.int64)

    @property
    def widest(self) -> Ids:
        """The largest choice of every group."""
        return np.array([widths[-1] for widths in self.choices], dtype=np.int64)

    def down(self, asked: Floats) -> Ids:
        """For every group its largest choice up to what is asked, or its smallest choice."""
        at = (
            max(0, np.searchsorted(widths, want, side="right") - 1)
            for widths, want in zip(self.choices, asked + _SLACK, strict=True)
        )
        pairs = zip(self.choices, at, strict=True)
        return np.array([widths[i] for widths, i in pairs], dtype=np.int64)

    def neighbour(self, group: int, width: int, by: int) -> int | None:
        """The next wider (``by`` = 1) or narrower (-1) choice of a group, or None at the end."""
        widths = self.choices[group]
        if by > 0:
            at = int(np.searchsorted(widths, width, side="right"))
        else:
            at = int(np.searchsorted(widths, width, side="left")) - 1
        return int(widths[at]) if 0 <= at < len(widths) else None

    def holds(self, widths: Ids) -> bool:
        """Whether widths meet every bound."""
        return not self.bounds.exceeded(self.model.evaluate(widths))

    def require_feasible(self) -> None:
        """Makes sure that the narrowest widths meet every bound.

        Raises:
            InfeasibleBudget: They do not.
        """
        least = self.model.evaluate(self.narrowest)
        for name in self.bounds.exceeded(least):
            raise self.infeasible(name, getattr(least, name))

    def infeasible(self, name: str, least: int) -> InfeasibleBudget:
        """The error that says which bound cannot be met.

        Args:
            name: The bound.
            least: The smallest value that can be reached.
        """
        full = getattr(self.model.full, name)
        rounded = f" in steps that keep channels multiples of {self.round_to}"
        return InfeasibleBudget(
            f"{name} cannot be brought down to {self.bounds.limits[name]:,}",
            where=f"the least reachable is {least:,} of {full:,} ({_percent(least / full)})",
            why=f"all {len(self.choices)} groups are then at their narrowest"
            + (rounded if self.round_to > 1 else "")
            + "; the rest is frozen",
            fix=f"allow {name}={least}"
            + (", or round to a smaller multiple" if self.round_to > 1 else "")
            + ", or keep fewer layers from being pruned",
        )

    def rank_scores(self, scale: Callable[[Floats], float] = np.mean) -> tuple[Floats, ...]:
        """Per group the scores that its widths lose, ``(width,)``, in descending order.

        Every row gives up its k-th best unit together with the k-th best of the others, so their
        mean stands for them; it is in units of the group's mean magnitude, which makes groups of
        different fan-in comparable.

        Args:
            scale: Gives another unit, from the magnitudes of a group's scores.
        """
        ranks = []
        for group in self.coupling:
            best = -np.sort(-self.scores[group.name], axis=1)
            ranks.append(best.mean(axis=0) / (float(scale(np.abs(best))) or 1.0))
        return tuple(ranks)

    def answer(self, widths: Ids, asked: Floats) -> Widths:
        """The widths by name, with a note on every group that rounding moved.

        Args:
            widths: What every group got.
            asked: What the policy would have given without rounding, in units.
        """
        kept = {g.name: int(w) for g, w in zip(self.coupling, widths, strict=True)}
        notes = (
            self._note(i, int(width), float(want))
            for i, (width, want) in enumerate(zip(widths, asked, strict=True))
        )
        return Widths(kept, tuple(note for note in notes if note))

    def _note(self, i: int, width: int, asked: float) -> str:
        group = self.coupling.groups[i]
        if group.name in self.relaxed and width < group.width:
            return (
                f"{group.name}: {width} of {group.width} units a row, not a multiple of "
                f"{self.round_to} channels, because none lies below its full width and the "
                "budget cannot be met with it"
            )
        size = rounding.step(self.coupling, group, self.round_to)
        moved = abs(width - asked) / group.width
        # Less than a twentieth is what rounding is expected to do; a group that cannot move at
        # all is always worth a sentence.
        if self.round_to == 1 or moved < (_SLACK if size > group.width else 0.05):
            return ""
        return (
            f"{group.name}: asked {_percent(asked / group.width)}, got "
            f"{_percent(width / group.width)}, because widths come in steps of {size}"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
