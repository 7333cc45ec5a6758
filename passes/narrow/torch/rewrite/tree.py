"""The narrowed module's tensors, in containers with the paths of the original's sub-modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from graphprune.frontends.torch.parameters import find, identity
from graphprune.passes.narrow.torch.rewrite.plan import Planned
from graphprune.passes.narrow.torch.tensors import Piece, pieces
from graphprune.passes.reconstruct import Patch


def containers(planned: Planned, patch: Patch | None = None) -> Any:
    """A tree of plain modules that holds every tensor of the original, cut.

    Names, kinds (parameter, buffer, persistent or not) and modes are the original's, and what was
    one tensor under several names still is. Nothing shares memory with the original. Constants
    that tracing lifted become buffers that are not saved.

    Args:
        planned: The original and what of it lives.
        patch: What kept weights are multiplied by.
    """
    program = planned.traced.program
    wanted: dict[tuple[Any, ...], Piece] = {}
    for piece in pieces(planned.coupling, planned.alive, patch):
        wanted[identity(find(program, piece.source))] = piece
    copies = _Copies(wanted)
    module = planned.traced.module
    root = copies.module(module) if isinstance(module, torch.nn.Module) else _empty()
    signature = program.graph_signature
    for spec in signature.input_specs:
        tensor = find(program, spec.target) if spec.target else None
        if tensor is not None and not _holds(root, spec.target):
            saved = spec.kind.name == "PARAMETER" or spec.target in program.state_dict
            place(root, spec.target, copies.tensor(tensor), saved)
    return root


def place(root: Any, name: str, tensor: Any, saved: bool) -> None:
    """Register a tensor under a qualified name; containers on the way are made."""
    *path, last = name.split(".")
    holder = container(root, ".".join(path))
    if isinstance(tensor, torch.nn.Parameter):
        holder.register_parameter(last, tensor)
    else:
        holder.register_buffer(last, tensor, persistent=saved)


def container(root: Any, path: str) -> Any:
    """The container at a path, made if there is none."""
    for name in filter(None, path.split(".")):
        if root._modules.get(name) is None:
            root._modules[name] = _empty()
        root = root._modules[name]
    return root


def _empty() -> Any:
    """A container in evaluation mode: an exported program keeps no modes of its modules."""
    return torch.nn.Module().eval()


def _holds(root: Any, name: str) -> bool:
    *path, last = name.split(".")
    for part in path:
        root = root._modules.get(part)
        if root is None:
            return False
    return last in root._parameters or last in root._buffers


class _Copies:
    """Copies of modules and tensors, one an original.

    Args:
        wanted: What becomes of tensors that change, by what identifies their memory.
    """

    def __init__(self, wanted: Mapping[tuple[Any, ...], Piece]) -> None:
        self._wanted = wanted
        self._modules: dict[Any, Any] = {}
        self._memory: dict[tuple[Any, ...], Any] = {}
        self._tensors: dict[int, Any] = {}

    def module(self, part: Any) -> Any:
        """A container with the tensors and the children of a module."""
        if part in self._modules:
            return self._modules[part]
        made = self._modules[part] = torch.nn.Module()
        made.training = part.training
        for name, tensor in part._parameters.items():
            made._parameters[name] = None if tensor is None else self.tensor(tensor)
        for name, tensor in part._buffers.items():
            made._buffers[name] = None if tensor is None else self.tensor(tensor)
        made._non_persistent_buffers_set = set(part._non_persistent_buffers_set)
        for name, child in part._modules.items():
            made._modules[name] = None if child is None else self.module(child)
        return made

    def tensor(self, tensor: Any) -> Any:
        """A tensor's own copy, cut."""
        if id(tensor) not in self._tensors:
            where = identity(tensor)
            if where not in self._memory:
                piece = self._wanted.get(where)
                own = tensor.detach().clone() if piece is None else piece.of(tensor).detach()
                self._memory[where] = own
            data = self._memory[where]
            if isinstance(tensor, torch.nn.Parameter):
                data = torch.nn.Parameter(data, requires_grad=tensor.requires_grad)
            else:
                data = data.requires_grad_(tensor.requires_grad)
            self._tensors[id(tensor)] = data
        return self._tensors[id(tensor)]
