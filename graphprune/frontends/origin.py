"""Where a parameter of a graph comes from: the PyTorch parameter an exporter made it of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphprune.ir import Graph


@dataclass(frozen=True)
class Origin:
    """The PyTorch parameter that a parameter value stands for.

    Attributes:
        names: What the PyTorch parameter may be called; the one that exists is meant. A fully
            qualified name, or one as torch.export spells it (see :func:`spelled`).
        transposed: Whether a matrix has its two axes swapped.
        guessed: Whether the name and what became of the parameter were guessed by its use.
    """

    names: tuple[str, ...]
    transposed: bool = False
    guessed: bool = False


Origins = Mapping[str, Origin]


def spelled(name: str) -> str:
    """A fully qualified name as torch.export spells it: lower case, ``_`` for other signs.

    Args:
        name: Such as ``encoder.layers.0.weight``, which gives ``encoder_layers_0_weight``.
    """
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def own_names(graph: Graph) -> dict[str, Origin]:
    """The origins in a graph that was traced of a PyTorch module: its parameters' own names.

    Args:
        graph: Its parameter values name their tensors in ``source``.
    """
    return {v.name: Origin((v.source,)) for v in graph.params if v.source}
