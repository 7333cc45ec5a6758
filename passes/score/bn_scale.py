"""The scale factors by which batch norms multiply channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.errors import BadData
from graphprune.evidence import Evidence
from graphprune.groups import Coupling, Group
from graphprune.passes.score.aggregate import (
    Aggregate,
    Aggregating,
    element_sums,
    parts,
    sums_by_unit,
)
from graphprune.passes.score.registry import criterion
from graphprune.scores import Scores


@criterion("bn-scale")
@dataclass(frozen=True)
class BnScale(Aggregating):
    """Absolute value of the scale by which batch norm multiplies a channel.

    It says most of networks that were trained with an L1 penalty on these scales.

    Source: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming",
    ICCV 2017, section 3, "Scaling Factors and Sparsity-induced Penalty".

    Attributes:
        aggregate: What counts where the channels of a group pass several norms.
    """

    aggregate: Aggregate = "mean"

    def __call__(self, coupling: Coupling, evidence: Evidence, seed: int) -> Scores:
        """Scores the units of every group; nothing is drawn at random.

        Raises:
            BadData: Channels of a group pass through no batch norm that has scales.
        """
        scales = _scales(coupling)
        found = parts(
            coupling,
            lambda group: [member for member in group.members if member.param in scales],
            sums_by_unit(lambda m, layer: element_sums(evidence(m.param), layer, np.abs), np.abs),
        )
        _require([group for group in coupling if not len(found[group.name])])
        return Scores(self.aggregated(found), "bn-scale")


def _scales(coupling: Coupling) -> set[str]:
    """The parameters by which batch norms scale."""
    return {node.inputs[1] for node in coupling.graph.nodes if node.family == "batch_norm"}


def _require(groups: list[Group]) -> None:
    if not groups:
        return
    params = [next((m.param for m in g.members if m.role == "out"), str(g)) for g in groups]
    shown = [f"{g.name} ({p})" for g, p in zip(groups[:5], params, strict=False)]
    rest = [f"{len(groups) - 5} more"] if len(groups) > 5 else []
    layer = params[0].rpartition(".")[0] or params[0]
    raise BadData(
        "criterion 'bn-scale' needs a batch norm behind every layer that is pruned",
        where=f"group {', '.join(shown + rest)}",
        why="no batch norm with scales follows",
        fix=f"keep these layers whole: --keep {layer}; or choose another criterion",
    )
