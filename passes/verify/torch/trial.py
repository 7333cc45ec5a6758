"""How modules are run for a proof, and on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from graphprune.errors import BackendError
from graphprune.frontends.torch import Example
from graphprune.frontends.torch.modes import evaluating


@dataclass(frozen=True, eq=False)
class ModuleTrial:
    """Inputs to run modules on.

    Attributes:
        feeds: Inputs the user gave, structured like the example; random ones are added.
        runs: Number of random inputs.
        seed: Of the random inputs.
    """

    feeds: Sequence[Example] = ()
    runs: int = 2
    seed: int = 0

    def inputs(self, example: Example) -> list[Example]:
        """Given inputs first, random ones after them.

        Floating tensors are drawn from a standard normal distribution; what else the example
        holds stays as it is, because integers may index tables.

        Args:
            example: What the module was traced with.
        """
        drawn = [_drawn(example, self.seed + i) for i in range(self.runs)]
        placed = [_mapped(feed, _on(_device(example))) for feed in self.feeds]
        return [*placed, *drawn]


def run(module: Any, example: Example) -> list[Any]:
    """The tensors a module returns, flat.

    Args:
        module: Run in evaluation mode; it is in the mode it was in afterwards, and its buffers
            hold what they held.
        example: Inputs; they are not written to.

    Raises:
        BackendError: The module fails.
    """
    own = _mapped(example, lambda x: x.detach().clone())
    with _at_rest(module), torch.no_grad():
        try:
            found = module(*own.args, **own.kwargs)
        except Exception as error:  # whatever the module's own code raises comes through here
            raise BackendError(
                f"the module '{type(module).__name__}' cannot be run",
                why=f"{type(error).__name__}: {error}",
                fix="call it with these inputs to see where it fails",
            ) from error
    return [x for x in pytree.tree_leaves(found) if isinstance(x, torch.Tensor)]


@contextmanager
def _at_rest(module: Any) -> Iterator[None]:
    """A module in evaluation mode; modes and buffers are restored."""
    held = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    try:
        with evaluating(module):
            yield
    finally:
        with torch.no_grad():
            for buffer, contents in held:
                buffer.copy_(contents)


def _drawn(example: Example, seed: int) -> Example:
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Any) -> Any:
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        kind = torch.complex64 if tensor.is_complex() else torch.float32
        numbers = torch.randn(tensor.shape, generator=generator, dtype=kind)
        return numbers.to(tensor.dtype).to(tensor.device)

    return _mapped(example, draw)


def _mapped(example: Example, change: Any) -> Example:
    args, kwargs = pytree.tree_map(
        lambda x: change(x) if isinstance(x, torch.Tensor) else x,
        (tuple(example.args), dict(example.kwargs)),
    )
    return replace(example, args=args, kwargs=kwargs)


def _device(example: Example) -> Any:
    leaves = pytree.tree_leaves((tuple(example.args), dict(example.kwargs)))
    return next((x.device for x in leaves if isinstance(x, torch.Tensor)), torch.device("cpu"))


def _on(device: Any) -> Any:
    return lambda tensor: tensor.to(device)
