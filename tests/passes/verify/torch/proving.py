"""Small modules narrowed to random halves, and what the verify pass says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from graphprune.frontends.torch import TracedModule, trace
from graphprune.groups import Alive, Coupling
from graphprune.passes.couple import couple
from graphprune.passes.narrow.torch import NarrowedModule
from graphprune.passes.narrow.torch.narrow import narrow_module
from graphprune.passes.verify import Proof
from graphprune.passes.verify.torch import ModuleTrial, verify_module
from tests.frontends.torch import masking
from tests.frontends.torch.modules import Forward, Net


@dataclass(frozen=True, eq=False)
class Case:
    """A module, what may be cut of it, and a plan."""

    traced: TracedModule
    coupling: Coupling
    alive: Alive

    def narrowed(self) -> NarrowedModule:
        return narrow_module(self.traced, self.coupling, self.alive)

    def proof(
        self, narrowed: NarrowedModule | None = None, trial: ModuleTrial | None = None
    ) -> Proof:
        """Of what the narrow pass makes, unless something else is given."""
        small = narrowed or self.narrowed()
        chosen = trial or ModuleTrial(runs=1)
        return verify_module(self.traced, self.coupling, self.alive, small, chosen)


def case(module: Any, *args: Any, seed: int = 0, **kwargs: Any) -> Case:
    """Half of every group is to go, of approximate ones too."""
    traced = trace(module, args, kwargs)
    coupling = couple(traced.graph)
    return Case(traced, coupling, masking.draw(coupling, seed, exact=False))


def net(function: Forward, **parts: Any) -> Any:
    """A module that is a function of itself and its inputs, in evaluation mode."""
    return Net(function, **parts).eval()


def chain(between: Any, rank: int = 4) -> Any:
    """Two layers with something between; on images of 3 channels or on vectors of 6 features."""
    torch.manual_seed(0)
    if rank == 4:
        first, last = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 4, 1)
    else:
        first, last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 4)
    module = torch.nn.Sequential(first, between, last)
    for part in module.modules():
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if tensor.dim() == 1 and tensor.is_floating_point():
                # Norms that are new scale by one and shift by nothing.
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return module.eval()
