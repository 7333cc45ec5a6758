"""The proof that every tensor of a rewritten graph has the shape the plan says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import hints
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.torch.rewrite.plan import Planned

# What PyTorch raises for operands that do not fit.
_REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, AssertionError)


def check(
    planned: Planned, module: Any, graph: Any, origin: Mapping[Any, Any], inputs: list[Any]
) -> None:
    """Run a graph on tensors without contents and compare shapes with the plan's.

    Args:
        planned: What every shape should be.
        module: Holds the tensors that the graph reads.
        graph: The rewritten graph.
        origin: The traced call behind each of its nodes; regions' bodies included.
        inputs: What each placeholder stands for in the traced graph.

    Raises:
        UnsupportedModel: A call refuses its operands, or gives another shape.
    """
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    with mode, torch.no_grad():
        given = [_example(value) for value in inputs]
        _Run(planned, module, graph, origin, mode).run(*given, enable_io_processing=False)


def _example(value: Any) -> Any:
    """An input with the sizes of the example."""
    if isinstance(value, torch.Tensor):
        return torch.empty(hints.shape(value) or (), dtype=value.dtype, device=value.device)
    return hints.number(value) if hints.is_number(value) else value


class _Run(torch.fx.Interpreter):  # type: ignore[misc]
    def __init__(
        self, planned: Planned, module: Any, graph: Any, origin: Mapping[Any, Any], mode: Any
    ) -> None:
        super().__init__(module, graph=graph)
        self._planned, self._origin, self._mode = planned, origin, mode
        self.extra_traceback = False

    def fetch_attr(self, target: str) -> Any:
        found = super().fetch_attr(target)
        return (
            self._mode.from_tensor(found, static_shapes=True)
            if isinstance(found, torch.Tensor)
            else found
        )

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Regions are looked into, so that the call within them is named."""
        bodies = [i for i, a in enumerate(args) if isinstance(a, torch.fx.GraphModule)]
        if len(bodies) == 1 and any(n in self._origin for n in args[bodies[0]].graph.nodes):
            body, given = args[bodies[0]], args[bodies[0] + 1 :]
            return _Run(self._planned, body, body.graph, self._origin, self._mode).run(*given)
        return super().call_function(target, args, kwargs)

    def run_node(self, node: Any) -> Any:
        source = self._origin.get(node)
        try:
            found = super().run_node(node)
        except _REFUSALS as error:
            if isinstance(error, UnsupportedModel) or source is None:
                raise
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise self._planned.wordless(
                source, f"it refuses its narrowed operands: {first}"
            ) from error
        if source is not None and isinstance(found, torch.Tensor):
            self._compare(source, found)
        return found

    def _compare(self, source: Any, found: Any) -> None:
        value = self._planned.value(source)
        if value is None or value.shape is None or value.kind == "const":
            return
        wanted: Shape = self._planned.new(source)
        sizes = tuple(found.shape)
        if all(isinstance(size, int) for size in sizes) and sizes != wanted:
            raise self._planned.wordless(
                source, f"it gives {list(sizes)} where the plan says {list(wanted)}"
            )
