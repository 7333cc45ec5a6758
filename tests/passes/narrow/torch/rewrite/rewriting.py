"""Small networks rewritten as graph modules, and proven against the masked original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from graphprune.frontends.torch import trace
from graphprune.passes.couple import couple
from graphprune.passes.narrow.torch.graph_module import rewritten
from tests.frontends.torch import masking
from tests.frontends.torch.modules import Net


def halved(
    module: Any, *inputs: Any, seed: int = 0, exact: bool = True, dynamic: Any = None
) -> Any:
    """A module with half of its channels; where all groups are exact, proven."""
    traced = trace(module, inputs, dynamic_shapes=dynamic)
    coupling = couple(traced.graph)
    alive = masking.draw(coupling, seed, exact)
    assert not alive.all(), "nothing is narrowed"
    narrowed = rewritten(traced, coupling, alive)
    if exact:
        wanted = masking.outputs(traced, coupling, alive, inputs, None)
        with torch.no_grad():
            leaves = torch.utils._pytree.tree_leaves(narrowed(*inputs))
        found = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    return narrowed


def net(
    function: Callable[..., Any], *inputs: Any, seed: int = 0, dynamic: Any = None, **parts: Any
) -> Any:
    """A module made of a function, with half of its channels, proven."""
    torch.manual_seed(0)
    return halved(Net(function, **parts).eval(), *inputs, seed=seed, dynamic=dynamic)


def calls(module: Any, *names: str) -> list[str]:
    """The calls of some operators, as the graph spells them."""
    found = []
    for node in module.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        name = "" if schema is None else schema.name.partition("::")[2]
        if name in names:
            rest = [f"{key}={value}" for key, value in node.kwargs.items()]
            found.append(f"{name}({', '.join([*map(str, node.args), *rest])})")
    return found
