"""Which channels the flow through a network's weights can do without, told without any data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.groups import Alive, Coupling, Ids
from graphprune.passes.linearise import flow, weights
from graphprune.passes.score.aggregate import Aggregate, Aggregating, parts_of
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores
from graphprune.terms import Floats


@criterion("synflow")
@dataclass(frozen=True)
class Synflow(Aggregating):
    """Synaptic flow: how long a channel stays while those with the least flow are removed.

    The flow of a weight is ``|w| dR/d|w|``, with R the sum over all paths from the inputs, which
    are ones, to the outputs, of the product of the magnitudes of weights along the path; that of
    a channel is the sum over its weights. Nonlinearities, biases and norms are bypassed (in the
    paper norms do nothing at initialisation). After round r of n the ``keep ** (r / n)`` of all
    channels of the network with the most flow are left, and the flow is taken anew: this is what
    keeps layers from being removed whole.

    Scores are ranks over the whole network, from just above 0 to 1: by the round of removal, then
    by the flow in that round; channels left in the end rank by what flows through them. Compare
    them across groups as they are: allocation ``global:normalise=none``. Groups whose weights are
    on no path (gates, attention weights) count as 1. No gradients of a loss: ONNX models too.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving
    synaptic flow", NeurIPS 2020, section 5 and algorithm 1, with channels in place of weights.

    Attributes:
        rounds: How often the least are removed.
        keep: The fraction of all channels that is left after the last round; those of stronger
            prunings are told apart by one flow only.
        aggregate: What counts of the flows through each of a unit's weights.
    """

    rounds: int = 100
    keep: float = 0.1
    aggregate: Aggregate = "sum"

    def __post_init__(self) -> None:
        """Refuses options out of range.

        Raises:
            BadData: One is.
        """
        super().__post_init__()
        if self.rounds < 1:
            raise BadData(f"rounds is {self.rounds}", fix="give a positive number")
        if not 0 < self.keep <= 1:
            raise BadData(f"keep is {self.keep}", fix="give a fraction above 0, up to 1")

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: Nothing flows, or the flow leaves the range of float64.
            UnsupportedModel: An operation has no linear counterpart; the message names it.
        """
        params = dict.fromkeys(weight.param for weight in weights(coupling.graph))
        kept = {name: np.abs(np.asarray(evidence(name), dtype=np.float64)) for name in params}
        flows, reached = self._flows(coupling, kept)
        _require_flow(flows, reached)
        alive, ranks = reached.copy(), _Ranks(reached)
        for i in range(1, self.rounds + 1):
            most = int(np.ceil(self.keep ** (i / self.rounds) * reached.sum()))
            dead = _least(alive, flows, most)
            if len(dead):
                ranks.add(dead, flows)
                alive[dead] = False
                kept = _masked(coupling, kept, dead)
                flows, _ = self._flows(coupling, kept)
        ranks.add(np.flatnonzero(alive), flows)
        scores = {group.name: ranks.values[group.units] for group in coupling}
        return Scores(scores, "synflow", _notes(coupling, reached))

    def _flows(self, coupling: Coupling, kept: Mapping[str, Floats]) -> tuple[Floats, Alive]:
        """The flow of every unit, and whether any path may lead through it, ``(units + 1,)``."""
        with np.errstate(over="ignore", invalid="ignore"):
            gradients = flow(coupling.graph, kept).gradients()
            products = {n: w * gradients[n] for n, w in kept.items() if n in gradients}
        found = parts_of(coupling, products, np.positive)
        flows, reached = np.zeros(coupling.units + 1), np.zeros(coupling.units + 1, dtype=np.bool_)
        for group in coupling:
            reached[group.units] = len(found[group.name]) > 0
        for name, rows in self.aggregated(found).items():
            flows[coupling.group(name).units] = rows
        if not np.isfinite(flows).all():
            raise BadData(
                "criterion 'synflow' leaves the range of float64",
                why="the products of weights along the paths through the network are too large",
                fix="choose another criterion",
            )
        return flows, reached


def _require_flow(flows: Floats, reached: Alive) -> None:
    if reached.any() and not flows.any():
        raise BadData(
            "criterion 'synflow' finds nothing that flows through the network",
            why="on every path from its inputs to its outputs some weight is zero",
            fix="draw or train layers that start at zero (often the last one) before scoring",
        )


class _Ranks:
    """Ranks of units, those that are added first being the lowest.

    Attributes:
        values: From above 0 to 1 by unit id, ``(units + 1,)``; 1 for units that are not ranked.
    """

    def __init__(self, ranked: Alive) -> None:
        self.values = np.ones(len(ranked))
        self._count, self._below = int(ranked.sum()), 0

    def add(self, units: Ids, flows: Floats) -> None:
        """Ranks units above all before them, by their flows; equal flows rank alike."""
        below = np.searchsorted(np.sort(flows[units]), flows[units])
        self.values[units] = (self._below + below + 1) / self._count
        self._below += len(units)


def _least(alive: Alive, flows: Floats, most: int) -> Ids:
    """The units to remove: at most so many stay, and none that nothing flows through."""
    units = np.flatnonzero(alive)
    order = units[np.argsort(flows[units], kind="stable")]
    nothing = int(np.count_nonzero(flows[units] == 0))
    return order[: max(len(units) - most, nothing)]


def _masked(coupling: Coupling, kept: Mapping[str, Floats], dead: Ids) -> dict[str, Floats]:
    """Weights, zero where they belong to dead units."""
    alive = coupling.everything()
    alive[dead] = False
    masked = dict(kept)
    for name in kept:
        for layer in coupling.layers.get(name, ()):
            if not alive[layer.ids].all():
                masked[name] = masked[name] * alive[layer.ids]
    return masked


def _notes(coupling: Coupling, reached: Alive) -> tuple[str, ...]:
    names = [group.name for group in coupling if not reached[group.units].any()]
    if not names:
        return ()
    return (f"synflow does not rank {', '.join(names)}: no path leads through their weights",)
