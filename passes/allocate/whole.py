"""From fractions to whole widths: round, shrink while over a bound, then grow what fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphprune.groups import Ids
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.smooth import Smooth
from graphprune.terms import Floats, add_up

_SLACK = 1e-9  # what comes out of logarithms: 7.9999999 stands for 8
_TINY = 1e-100  # the price of what costs nothing: it grows first


@dataclass(frozen=True, eq=False)
class Whole:
    """Whole widths near a solution in real numbers.

    Attributes:
        problem: Choices and bounds.
        gains: What the objective gains by the logarithm of every group's width, ``(groups,)``.
        ties: For every group the one whose fraction it has, itself for most.
        smooth: Costs, and their derivatives.
    """

    problem: Problem
    gains: Floats
    ties: Ids
    smooth: Smooth

    def widths(self, logs: Floats) -> Ids:
        """The widths, ``(groups,)``, which meet every bound.

        Rounding down, to the nearest and up are all tried: the best that becomes of them is taken.

        Args:
            logs: Logarithms of the fractions, ``(groups,)``.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        asked = np.exp(logs) * self.problem.model.widths
        starts = [self.rounded(np.asarray(asked), share) for share in (0.0, 0.5, 1.0)]
        found = [self.grown(self.shrunk(self.tied(start))) for start in starts]
        return self.exchanged(max(found, key=lambda widths: float(self.gains @ np.log(widths))))

    def rounded(self, asked: Floats, share: float) -> Ids:
        """The choices next to what is asked.

        Args:
            asked: Units a row of every group.
            share: What part of a step is rounded up: 0 for rounding down, 1 for up.
        """
        down = self.problem.down(asked)
        up = [self.problem.neighbour(i, int(w), 1) or int(w) for i, w in enumerate(down)]
        above = np.array(up, dtype=np.int64)
        return np.where(asked > above - share * (above - down) + _SLACK, above, down)

    def tied(self, widths: Ids) -> Ids:
        """The same widths, followers at the fraction of what they follow.

        Args:
            widths: Units a row of every group.
        """
        widths = widths.copy()
        for i in np.unique(self.ties):
            self._lead(widths, int(i), int(widths[i]))
        return widths

    def shrunk(self, widths: Ids) -> Ids:
        """Narrower by whatever costs the objective least for what it saves of exceeded bounds.

        Args:
            widths: Units a row of every group.

        Raises:
            InfeasibleBudget: The narrowest choices exceed a bound.
        """
        problem, smooth = self.problem, self.smooth
        over = problem.bounds.exceeded(problem.model.evaluate(widths))
        while over:
            costs = smooth.log_costs(np.log(widths / problem.model.widths))
            exceeded = np.isin(smooth.names, over)
            shares = np.exp(costs.values - smooth.limits)[exceeded] @ costs.slopes[exceeded]
            prices = add_up(shares, self.ties, len(widths))
            best: tuple[float, Ids] | None = None
            for i in np.unique(self.ties):
                trial = self._stepped(widths, int(i), -1)
                if trial is not None and prices[i] > 0:
                    left = trial[i] / widths[i]
                    loss = -self.gains[i] * np.log(left) / (prices[i] * (1 - left))
                    best = (loss, trial) if best is None or loss < best[0] else best
            if best is None:
                problem.require_feasible()
                return problem.narrowest
            widths = best[1]
            over = problem.bounds.exceeded(problem.model.evaluate(widths))
        return widths

    def grown(self, widths: Ids) -> Ids:
        """Wider while anything fits, whatever gains most for what it costs first.

        Args:
            widths: Units a row of every group; they meet every bound.
        """
        problem, growing = self.problem, set(np.unique(self.ties).tolist())
        while growing:
            slopes = self.smooth.log_costs(np.log(widths / problem.model.widths)).slopes
            price = add_up(slopes.sum(axis=0), self.ties, len(self.gains))
            for i in np.argsort(-self.gains / np.maximum(price, _TINY), kind="stable"):
                if i not in growing:
                    continue
                trial = self._stepped(widths, int(i), 1)
                if trial is not None and problem.holds(trial):
                    widths = trial
                    break
                # The cost only rises from here on: what does not fit now never will.
                growing.discard(int(i))
        return widths

    def exchanged(self, widths: Ids) -> Ids:
        """Better by one group's step down for another one's step up, as long as that is possible.

        Args:
            widths: Units a row of every group; they meet every bound.
        """
        while True:
            better = next(self._exchanges(widths), None)
            if better is None:
                return widths
            widths = self.grown(better)

    def _exchanges(self, widths: Ids) -> Iterator[Ids]:
        """Exchanges that gain and meet every bound, those that gain most first."""
        down, up = self._steps(widths, -1), self._steps(widths, 1)
        change = np.add.outer(self.gains * down, self.gains * up)
        costs = self.smooth.log_costs(np.log(widths / self.problem.model.widths))
        for value, slopes, limit in zip(*costs, self.smooth.limits, strict=True):
            led = add_up(slopes, self.ties, len(slopes))
            # A convex function lies above its tangent: what exceeds a bound there does anyway.
            change[value + np.add.outer(led * down, led * up) > limit + _SLACK] = -np.inf
        change[down == 0], change[:, up == 0] = -np.inf, -np.inf
        np.fill_diagonal(change, -np.inf)
        flat = np.argsort(-change, axis=None, kind="stable")
        for at in flat[: int(np.count_nonzero(change > _SLACK))]:
            i, j = np.unravel_index(at, change.shape)
            less = self._stepped(widths, int(i), -1)
            trial = None if less is None else self._stepped(less, int(j), 1)
            if trial is not None and self.problem.holds(trial):
                yield trial

    def _steps(self, widths: Ids, by: int) -> Floats:
        """Logarithms of what one step makes of every leader's width; 0 where there is none."""
        found = np.zeros(len(widths))
        for i in np.unique(self.ties):
            width = self.problem.neighbour(int(i), int(widths[i]), by)
            found[i] = 0.0 if width is None else np.log(width / widths[i])
        return found

    def _stepped(self, widths: Ids, group: int, by: int) -> Ids | None:
        width = self.problem.neighbour(group, int(widths[group]), by)
        if width is None:
            return None
        trial = widths.copy()
        self._lead(trial, group, width)
        return trial

    def _lead(self, widths: Ids, group: int, width: int) -> None:
        """Sets the width of a group and of those that follow it."""
        widths[group] = width
        full = self.problem.model.widths
        for i in self._followers.get(group, ()):
            choices = self.problem.choices[i]
            asked = full[i] * width / full[group] + _SLACK
            widths[i] = choices[max(0, int(np.searchsorted(choices, asked, side="right")) - 1)]

    @cached_property
    def _followers(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for i, leader in enumerate(self.ties.tolist()):
            if i != leader:
                found.setdefault(leader, []).append(i)
        return found
