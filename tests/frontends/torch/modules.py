"""Small modules made of a function, lowered and proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import torch

from graphprune.frontends.torch import TracedModule, hints, trace
from graphprune.groups import Coupling
from graphprune.ir.check import check
from graphprune.ir.text import print_graph
from graphprune.passes.couple import couple
from tests.frontends.torch import masking

Forward = Callable[..., Any]


class Net(torch.nn.Module):  # type: ignore[misc]
    """A module that is a function of itself and its inputs."""

    def __init__(self, function: Forward, **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Any) -> Any:
        return self.function(self, *inputs)


def tensor(*shape: int, seed: int = 0) -> Any:
    """Normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lowered(function: Forward, *inputs: Any, **parts: Any) -> TracedModule:
    """A module in evaluation mode, traced; its graph is well-formed and has the traced shapes."""
    traced = trace(Net(function, **parts).eval(), inputs)
    assert_faithful(traced)
    return traced


def assert_faithful(traced: TracedModule) -> None:
    """The graph is well-formed, and every value has the shape and type its FX node has."""
    check(traced.graph)
    for node, name in traced.values.items():
        meta = node.meta["val"]
        value = traced.graph.values[name]
        written = node.name != name and value.kind == "computed"
        assert value.shape == hints.shape(meta) or written, node
        assert value.dtype == hints.dtype(meta) or value.kind == "const", node


def body(traced: TracedModule) -> str:
    """The lines of a graph's text that compute something."""
    lines = print_graph(traced.graph).splitlines()
    return "\n".join(x for x in lines if not x.startswith(("input", "param", "const", "return")))


def opaque(traced: TracedModule) -> dict[str, str]:
    """The operators without a rule, each with the reason."""
    nodes = [node for node in traced.graph.nodes if node.family == "opaque"]
    return {str(node.attrs["type"]): str(node.attrs["reason"]) for node in nodes}


def widths(coupling: Coupling) -> Counter[tuple[int, int]]:
    """How many groups there are of every number of rows and width."""
    return Counter((group.rows, group.width) for group in coupling)


def proven(function: Forward, *inputs: Any, **parts: Any) -> str:
    """The groups of a module, after the masked oracle held for them."""
    torch.manual_seed(0)
    traced = lowered(function, *inputs, **parts)
    coupling = couple(traced.graph)
    assert_masked(traced, coupling, inputs)
    return "\n".join(map(str, coupling))


def assert_masked(traced: TracedModule, coupling: Coupling, inputs: Any, seed: int = 0) -> None:
    """What dead channels hold plays no part, and would without the masks."""
    alive = masking.draw(coupling, seed)
    given = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
    plain = masking.outputs(traced, coupling, alive, given, None)
    noisy = masking.outputs(traced, coupling, alive, given, 1)
    for one, other in zip(plain, noisy, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)


def lines(text: str) -> str:
    """A text as it is written in a test."""
    return dedent(text).strip()
