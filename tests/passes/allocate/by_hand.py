"""The programme of whole networks, written down layer by layer from the papers' tables.

Nothing here looks at a graph: which groups size a layer, what a layer weighs, what follows what and
what counts is said by hand, and an independent solver finds the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import Any

import pytest

NORM = 4
"""Numbers a channel that a batch norm holds: scale, shift, mean and variance."""


@dataclass(frozen=True)
class Part:
    """A weight, a bias or a norm: what it holds and computes, and the groups at its ends."""

    weights: int
    macs: int
    ends: tuple[str, ...]
    dense: bool = False


@dataclass
class Table:
    """A network by hand: widths of groups, parts, and squeezed widths that follow others."""

    norms: bool
    widths: dict[str, int] = field(default_factory=lambda: {"image": 3, "classes": 10})
    parts: list[Part] = field(default_factory=list)
    follows: dict[str, str] = field(default_factory=dict)

    def conv(self, reads: str, makes: str, kernel: int, size: int) -> None:
        """A dense convolution whose result has ``size`` x ``size`` places."""
        weights = self.widths[makes] * self.widths[reads] * kernel**2
        self._add(weights, weights * size**2, (makes, reads), dense=True)
        self.norm(makes)

    def depthwise(self, group: str, kernel: int, size: int) -> None:
        """It is sized once by its group, and does not count in the objective."""
        weights = self.widths[group] * kernel**2
        self._add(weights, weights * size**2, (group,))
        self.norm(group)

    def norm(self, group: str) -> None:
        """What every channel brings along."""
        if self.norms:
            self._add(NORM * self.widths[group], 0, (group,))

    def gate(self, group: str, squeezed: int) -> None:
        """Squeeze and excitation: it costs, does not count, and its inner width follows."""
        inner = f"{group} squeezed"
        self.widths[inner], self.follows[inner] = squeezed, group
        for makes, reads in ((inner, group), (group, inner)):
            weights = self.widths[makes] * self.widths[reads]
            self._add(weights, weights, (makes, reads))
            self._add(self.widths[makes], 0, (makes,))

    def classifier(self, reads: str) -> Table:
        """The last layer, whose outputs stay; gives the table."""
        weights = 10 * self.widths[reads]
        self._add(weights, weights, (reads,), dense=True)
        if self.norms:
            self._add(10, 0, ())
        return self

    def _add(self, weights: int, macs: int, ends: tuple[str, ...], dense: bool = False) -> None:
        kept = tuple(end for end in ends if end not in ("image", "classes"))
        self.parts.append(Part(weights, macs, kept, dense))

    def optimum(self, params: float | None, macs: float | None, cap: float) -> float:
        """The largest sum of the logarithms of the dense layers' densities, by cvxpy."""
        cp: Any = pytest.importorskip("cvxpy", reason="the independent solver is not installed")
        free = [g for g in self.widths if g not in {"image", "classes", *self.follows}]
        logs = {group: cp.Variable() for group in free}
        logs |= {inner: logs[leader] for inner, leader in self.follows.items()}
        rules = [logs[group] <= log(cap) for group in free]
        rules += [logs[group] >= -log(self.widths[group]) for group in free]
        for share, costs in (
            (params, [part.weights for part in self.parts]),
            (macs, [part.macs for part in self.parts]),
        ):
            if share is not None:
                limit = int(share * sum(costs))
                powers = [
                    log(cost / limit) + sum(logs[end] for end in part.ends)
                    for cost, part in zip(costs, self.parts, strict=True)
                    if cost
                ]
                rules.append(cp.log_sum_exp(cp.hstack(powers)) <= 0)
        gained = sum(logs[end] for part in self.parts if part.dense for end in part.ends)
        stated = cp.Problem(cp.Maximize(gained), rules)
        stated.solve(solver="CLARABEL")
        return float(stated.value)


def resnet20() -> Table:
    """He et al. 2016, section 4.2, with 1 x 1 projections and without norms."""
    net = Table(norms=False)
    net.widths |= {"stage 1": 16, "stage 2": 32, "stage 3": 64}
    net.conv("image", "stage 1", 3, 32)
    reads = "stage 1"
    for stage, size in (("stage 1", 32), ("stage 2", 16), ("stage 3", 8)):
        for block in range(3):
            inner = f"{stage} block {block}"
            net.widths[inner] = net.widths[stage]
            net.conv(reads, inner, 3, size)
            net.conv(inner, stage, 3, size)
            if reads != stage:
                net.conv(reads, stage, 1, size)
            reads = stage
    return net.classifier(reads)


def mobilenet_v2() -> Table:
    """Sandler et al. 2018, table 2, the first two strides 1."""
    rows = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
    return _inverted([(expand, out, count, 3, stride) for expand, out, count, stride in rows])


def efficientnet_b0() -> Table:
    """Tan and Le 2019, table 1, the stem's stride 1; gates squeeze to a quarter of the input."""
    rows = [(1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2),
            (6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)]  # fmt: skip
    return _inverted(rows, gates=True)


def _inverted(rows: list[tuple[int, int, int, int, int]], gates: bool = False) -> Table:
    """Inverted residual blocks between a stem of 32 channels and a head of 1,280."""
    net, reads, size = Table(norms=True), "stem", 32
    net.widths |= {"stem": 32, "head": 1280}
    net.conv("image", "stem", 3, size)
    for stage, (expand, out, count, kernel, stride) in enumerate(rows):
        trunk = f"stage {stage}"
        net.widths[trunk] = out
        for block in range(count):
            inner = reads
            if expand > 1:
                inner = f"{trunk} block {block}"
                net.widths[inner] = expand * net.widths[reads]
                net.conv(reads, inner, 1, size)
            size //= 1 if block else stride
            net.depthwise(inner, kernel, size)
            if gates:
                net.gate(inner, net.widths[reads] // 4)
            net.conv(inner, trunk, 1, size)
            reads = trunk
    net.conv(reads, "head", 1, size)
    return net.classifier("head")


TABLES = {"resnet20": resnet20, "mobilenet_v2": mobilenet_v2, "efficientnet_b0": efficientnet_b0}
