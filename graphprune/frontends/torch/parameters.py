"""Parameters, buffers and lifted constants of an exported program, by their own names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import hints
from graphprune.frontends.torch.constants import array

_KINDS = ("PARAMETER", "BUFFER", "CONSTANT_TENSOR")


def find(program: Any, name: str) -> Any | None:
    """The tensor that a program holds under a name."""
    for holder in (program.state_dict, program.constants):
        if name in holder and hasattr(holder[name], "untyped_storage"):
            return holder[name]
    return None


def contents(program: Any, name: str) -> NDArray[Any]:
    """The numbers of a parameter, buffer or constant, read-only.

    Element types that NumPy does not know are widened to float32.

    Args:
        program: An exported program.
        name: The fully qualified name.

    Raises:
        UnsupportedModel: The tensor has no storage.
    """
    tensor = find(program, name)
    if tensor is None or tensor.is_meta:
        raise UnsupportedModel(
            f"the contents of '{name}' cannot be read",
            why="the tensor has no storage" if tensor is not None else "there is no such tensor",
            fix="load the weights before tracing",
        )
    numbers = np.asarray(array(tensor)).view()
    numbers.flags.writeable = False
    return numbers


class Parameters:
    """What the placeholders of a program's graph stand for.

    Attributes:
        held: The tensor of every placeholder that stands for one the program holds.
    """

    def __init__(self, program: Any) -> None:
        self.held: dict[Any, Any] = {}
        self._source: dict[Any, str] = {}
        self._constant: set[Any] = set()
        nodes = {node.name: node for node in program.graph.nodes}
        first: dict[tuple[Any, ...], str] = {}
        for spec in program.graph_signature.input_specs:
            if spec.kind.name not in _KINDS:
                continue
            node, tensor = nodes[spec.arg.name], find(program, spec.target)
            if tensor is None:
                continue
            self.held[node] = tensor
            self._source[node] = first.setdefault(identity(tensor), spec.target)
            if spec.kind.name == "CONSTANT_TENSOR":
                self._constant.add(node)

    def source(self, node: Any) -> str:
        """The name of the tensor behind a placeholder; the first one of tied tensors."""
        return self._source[node]

    def is_known(self, node: Any) -> bool:
        """Whether contents may be read while lowering: constants, and buffers of indices."""
        floating = self.held[node].is_floating_point() or self.held[node].is_complex()
        return node in self._constant or not floating


def identity(tensor: Any) -> tuple[Any, ...]:
    """What two names of one tensor agree on.

    Args:
        tensor: Any tensor.
    """
    if tensor.is_meta or tensor.numel() == 0:
        return (id(tensor),)
    place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset())
    return (*place, hints.shape(tensor), tensor.stride(), tensor.dtype)
