"""Modules that are observed, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from graphprune.frontends.torch import Observed, TracedModule, trace
from tests.frontends.torch.modules import tensor


def convnet() -> Any:
    """Convolutions with in-place activations, a norm and a dropout."""
    torch.manual_seed(0)
    layers = [
        torch.nn.Conv2d(3, 6, 3),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(inplace=True),
        torch.nn.Conv2d(6, 5, 3),
        torch.nn.ReLU(inplace=True),
        torch.nn.Dropout(0.5),
        torch.nn.Flatten(),
        torch.nn.Linear(5 * 16, 4),
    ]
    net = torch.nn.Sequential(*layers)
    net[1].running_mean.uniform_(), net[1].running_var.uniform_(0.5, 2)
    return net.eval()


def pairs(count: int, size: int = 3) -> list[Any]:
    return [(tensor(size, 3, 8, 8, seed=i), torch.arange(size) % 4) for i in range(count)]


def traced_convnet() -> TracedModule:
    return trace(convnet(), (tensor(2, 3, 8, 8),))


def learnable(traced: TracedModule, observed: Observed) -> list[str]:
    return [v.name for v in traced.graph.params if v.name in observed.learnable]


def own_gradients(module: Any, loss: Any) -> dict[str, Any]:
    """What ``backward`` leaves in the module's parameters, which get their ``grad`` back."""
    before = {p: p.grad for p in module.parameters()}
    for parameter in before:
        parameter.grad = None
    loss().backward()
    found = {n: p.grad for n, p in module.named_parameters(remove_duplicate=False)}
    for parameter, gradient in before.items():
        parameter.grad = gradient
    return found


def mean_square(module: Any, batch: Any) -> Any:
    return module(batch).float().square().mean()


def assert_own_gradients(
    module: Any, inputs: Any, loss: Callable[[Any, Any], Any], batch: Any
) -> None:
    traced = trace(module, inputs)
    observed = Observed(traced, [batch], loss)
    names = learnable(traced, observed)
    found = next(observed.gradients(names))
    expected = own_gradients(module.eval(), lambda: loss(module, batch))
    assert names
    for name in names:
        own = expected[traced.graph.values[name].source]
        np.testing.assert_allclose(found[name], own.float(), rtol=1e-5, atol=1e-7)


class Recurrent(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(10, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.cell(x)[0][:, -1])


def encoder() -> Any:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def linears(**sizes: tuple[int, int]) -> dict[str, Any]:
    return {name: torch.nn.Linear(*size) for name, size in sizes.items()}
