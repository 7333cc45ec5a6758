"""Small networks, and what a narrowed one has to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from graphprune.frontends.torch import TracedModule, trace
from graphprune.groups import Alive, Coupling
from graphprune.passes.couple import couple
from graphprune.passes.narrow.torch import NarrowedModule, narrow_module
from tests.frontends.torch import masking
from tests.frontends.torch.modules import Net, tensor

IMAGE = tensor(2, 3, 8, 8)


class Plan:
    """A module, traced, and half of its channels chosen at random."""

    def __init__(self, module: Any, *inputs: Any, seed: int = 0) -> None:
        self.inputs = inputs
        self.traced: TracedModule = trace(module, inputs)
        self.coupling: Coupling = couple(self.traced.graph)
        self.alive: Alive = masking.draw(self.coupling, seed)

    def narrow(self, **options: Any) -> NarrowedModule:
        """The module, narrowed."""
        return narrow_module(self.traced, self.coupling, self.alive, **options)

    def masked(self) -> Any:
        """The first output of the masked original, which knows nothing of narrowing."""
        outputs = masking.outputs(self.traced, self.coupling, self.alive, self.inputs, None)
        return outputs[0]

    def proven(self, **options: Any) -> NarrowedModule:
        """The module, narrowed and compared with the masked original."""
        wanted, narrowed = self.masked(), self.narrow(**options)
        with torch.no_grad():
            torch.testing.assert_close(narrowed.module(*self.inputs), wanted, rtol=1e-5, atol=1e-6)
        return narrowed


def own(module: Any, *inputs: Any, **options: Any) -> NarrowedModule:
    """A module narrowed without a change of its class, and proven."""
    narrowed = Plan(module.eval(), *inputs).proven(strict=True, **options)
    assert type(narrowed.module) is type(module)
    assert (narrowed.form, narrowed.why) == ("module", ())
    return narrowed


def after(narrowed: NarrowedModule) -> Mapping[str, Any]:
    """Changed attributes as they are now."""
    return {name: new for name, (_, new) in narrowed.attributes.items()}


def shapes(module: Any) -> Mapping[str, tuple[int, ...]]:
    """Shapes of all parameters and buffers but counters."""
    return {k: tuple(v.shape) for k, v in module.state_dict().items() if v.ndim}


class Convs(nn.Module):  # type: ignore[misc]
    """Two convolutions and a norm between them."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, width, 3, padding=1)
        self.n = nn.BatchNorm2d(width)
        self.b = nn.Conv2d(width, 4, 1)

    def forward(self, x: Any) -> Any:
        """An image to an image."""
        return self.b(torch.relu(self.n(self.a(x))))


class Heads(nn.Module):  # type: ignore[misc]
    """Attention that keeps its sizes as attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.width = 2, 8
        self.inner = self.heads * self.width
        self.scale = self.width**-0.5
        self.qkv = nn.Linear(5, 3 * self.inner)
        self.out = nn.Linear(self.inner, 5)

    def forward(self, x: Any) -> Any:
        """Tokens to tokens."""
        batch, count, _ = x.shape
        split = self.qkv(x).reshape(batch, count, 3, self.heads, self.width)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q * self.scale @ k.transpose(-2, -1)).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, count, self.inner))


def hard() -> Any:
    """A module whose forward has a width written down."""

    def forward(s: Any, x: Any) -> Any:
        return torch.relu(s.a(x)).view(-1, 8).sum(-1)

    return Net(forward, a=nn.Linear(5, 8)).eval()
