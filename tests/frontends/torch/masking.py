"""The masked oracle on a traced module: what dead channels hold must not matter.

Every contraction reads its operand through a mask; then all entries of all parameters that belong
to dead units are replaced by noise. If the coupling is right, no output changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from graphprune.frontends.torch import Example, TracedModule
from graphprune.groups import Alive, Coupling
from graphprune.passes.verify.torch import Masked


def draw(coupling: Coupling, seed: int = 0, exact: bool = True) -> Alive:
    """Half of every row of every exact group survives."""
    rng, alive = np.random.default_rng(seed), coupling.everything()
    for group in coupling:
        if group.exact or not exact:
            for row in group.units:
                alive[rng.permutation(row)[max(1, group.width // 2) :]] = False
    return alive


def outputs(
    traced: TracedModule, coupling: Coupling, alive: Alive, args: Sequence[Any], noise: int | None
) -> list[Any]:
    """The outputs of the masked original.

    Args:
        traced: The module.
        coupling: Of its graph.
        alive: Whether each unit lives.
        args: Inputs, as the module takes them.
        noise: Seed of what the dead entries of parameters hold; their own contents if None.
    """

    def scrambled(name: str, tensor: Any) -> Any:
        if noise is None or not tensor.is_floating_point():
            return tensor
        generator = torch.Generator().manual_seed(noise)
        for layer in coupling.layers.get(name, ()):
            dead = torch.from_numpy(~alive[layer.ids]).broadcast_to(tensor.shape)
            other = torch.rand(tensor.shape, generator=generator).to(tensor.dtype) + 0.5
            tensor = torch.where(dead, other, tensor)
        return tensor

    original = Masked(traced, coupling, alive, contents=scrambled)
    return original.outputs(Example(tuple(args)))
