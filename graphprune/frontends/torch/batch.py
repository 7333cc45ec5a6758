"""The batch dimension of example inputs: symbolic in the program wherever the module allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as tree

from graphprune.frontends.torch import hints

_SQUEEZES = {"squeeze", "squeeze_", "squeeze_copy", "squeeze_dims"}


@dataclass(frozen=True, eq=False)
class Batch:
    """Example inputs whose batch can be told from a constant.

    torch.export takes an extent of 1 for a constant, so a single example is given twice while it
    is traced; sizes of the lowered graph are those of the inputs as given. Where the module's own
    code treats a batch of one unlike every other, what it does with several is traced.

    Attributes:
        args: Positional inputs.
        kwargs: Inputs by keyword.
        shapes: Their dynamic dimensions, as torch.export takes them.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: Any

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Batch | None:
        """The batch of example inputs; None where they have none.

        Its size is the leading extent of the first tensor; every other tensor of the same leading
        extent is part of it.
        """
        leaves = tree.tree_leaves((args, dict(kwargs)))
        tensors = {id(x): x for x in leaves if isinstance(x, torch.Tensor) and x.ndim > 0}
        size = next((int(x.shape[0]) for x in tensors.values()), 0)
        if size == 0:
            return None
        parts = {key: _traced(x) for key, x in tensors.items() if x.shape[0] == size}
        shapes = torch.export.ShapesCollection()
        for part in parts.values():
            shapes[part] = {0: torch.export.Dim.AUTO}
        given, named = tree.tree_map(lambda x: parts.get(id(x), x), (args, dict(kwargs)))
        return cls(given, named, shapes)


def _traced(x: Any) -> Any:
    """A tensor of its own: where torch.export fails, it leaves marks on its inputs."""
    given = torch.cat([x, x]) if x.shape[0] == 1 else x
    return given.detach().requires_grad_(x.requires_grad)


def is_kept(program: Any) -> bool:
    """Whether no operator removes a symbolic dimension only because it is 1.

    Args:
        program: An ExportedProgram, pinned to the inputs as given.
    """
    return not any(
        getattr(node.target, "__name__", "").partition(".")[0] in _SQUEEZES and _removes(node)
        for node in program.graph.nodes
    )


def _removes(node: Any) -> bool:
    before, after = (hints.shape(n.meta["val"]) for n in (node.args[0], node))
    if before is None or after is None:
        return False
    axes = node.args[1] if len(node.args) > 1 else range(len(before))
    places = {a % len(before) for a in (axes if isinstance(axes, list | tuple | range) else [axes])}
    return len(after) > len(before) - sum(before[a] == 1 for a in places)
