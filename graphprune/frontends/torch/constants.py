"""Values known while lowering: index tables, ranges and what is computed from them.

PyTorch itself computes them, on copies, so views and in-place writes behave as they do at run
time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.frontends.torch import hints

Array = NDArray[Any]
LIMIT = 1 << 18  # elements; larger contents stay unknown
# One number, whatever their extents: these stay free to be narrowed.
FILLS = {
    "zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty",
    "zeros_like", "ones_like", "full_like", "empty_like",
}  # fmt: skip
_REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


class Constants:
    """Contents of the nodes that depend on no input and on no trainable parameter."""

    def __init__(self) -> None:
        self._held: dict[Any, Any] = {}

    def learn(self, node: Any, tensor: Any) -> None:
        """Record contents; a copy is kept, for in-place operators to write into."""
        real = not tensor.is_meta and hints.shape(tensor) is not None
        if real and tensor.numel() <= LIMIT:
            self._held[node] = tensor.detach().to("cpu", copy=True)

    def tensor(self, node: Any) -> Any | None:
        """The contents of a node (a tuple where it has several results), or None."""
        return self._held.get(node)

    def item(self, node: Any, source: Any, index: int) -> None:
        """A node is one of several results of another."""
        if source in self._held:
            self._held[node] = self._held[source][index]

    def array(self, node: Any) -> Array | None:
        """The contents of a node as they are now, or None."""
        tensor = self._held.get(node)
        return array(tensor).copy() if isinstance(tensor, torch.Tensor) else None

    def forget(self, node: Any) -> None:
        """Contents were overwritten by something unknown: forget all that shares the memory."""
        lost = {_place(t) for t in _tensors(self._held.get(node))}
        for other in [
            n for n, held in self._held.items() if lost & set(map(_place, _tensors(held)))
        ]:
            del self._held[other]

    def compute(self, node: Any) -> bool:
        """Compute a node now if all it reads is known; whether that was so."""
        operands = node.all_input_nodes
        tensors = [n for n in operands if not hints.is_number(n.meta.get("val"))]
        if any(n not in self._held for n in tensors) or not _computable(node):
            return False
        numbers = {n: hints.number(n.meta.get("val")) for n in operands if n not in self._held}
        if any(value is None for value in numbers.values()):
            return False

        def read(node: Any) -> Any:
            return numbers[node] if node in numbers else self._held[node]

        args = torch.fx.node.map_arg(node.args, read)
        kwargs = dict(torch.fx.node.map_arg(node.kwargs, read))
        kwargs.pop("pin_memory", None)
        if kwargs.get("device") is not None:
            kwargs["device"] = "cpu"
        try:
            with torch.no_grad():
                self._held[node] = node.target(*args, **kwargs)
        except _REFUSALS:  # one of PyTorch's own: then the node is lowered like any other
            return False
        return True


def array(tensor: Any) -> Array:
    """A tensor's contents; element types that NumPy does not know are widened to float32."""
    host = tensor.detach().to("cpu")
    if host.is_floating_point() and hints.dtype(host) not in ("float16", "float32", "float64"):
        host = host.float()
    return np.asarray(host.numpy())


def _computable(node: Any) -> bool:
    """Whether a call is deterministic and its results are tensors of moderate size."""
    target = node.target
    if getattr(target, "namespace", "") != "aten" or _random(target):
        return False
    results = _tensors(node.meta.get("val"))
    sizes = [hints.shape(result) for result in results]
    return bool(results) and all(s is not None and np.prod(s) <= LIMIT for s in sizes)


def _random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in target.tags


def _tensors(held: Any) -> list[Any]:
    found = held if isinstance(held, tuple | list) else [held]
    return [t for t in found if isinstance(t, torch.Tensor)]


def _place(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())
