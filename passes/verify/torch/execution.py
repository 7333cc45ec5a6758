"""Running a traced program operator by operator, as its module would run in evaluation mode."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from graphprune.frontends.torch import Example, TracedModule
from graphprune.frontends.torch.evaluation import evaluated
from graphprune.frontends.torch.parameters import find
from graphprune.frontends.torch.regions import inlined

Contents = Callable[[str, Any], Any]
"""What a parameter holds while the program runs, from its value's name and its own contents."""

# Checks of what tracing saw; in float64 the types they ask for are others.
_CHECKS = {"_assert_tensor_metadata"}


class Execution(torch.fx.Interpreter):  # type: ignore[misc]
    """A program with a hand on every operator.

    Args:
        traced: What to run.
        double: Compute in float64, whatever floating types the program asks for.
        contents: Gives parameters other contents.
    """

    def __init__(
        self, traced: TracedModule, *, double: bool = False, contents: Contents | None = None
    ) -> None:
        super().__init__(traced.program.graph_module)
        self.traced, self.double, self.contents = traced, double, contents
        # An ExportedProgram is run in the mode it was traced in.
        module = traced.module
        parts = module.modules() if isinstance(module, torch.nn.Module) else ()
        self._trained = any(part.training for part in parts)
        self.current: Any = None

    def outputs(self, example: Example) -> list[Any]:
        """The tensors that the module would return, flat.

        Args:
            example: Inputs; they are not written to, nor is what the program holds.
        """
        signature = self.traced.program.graph_signature
        places = [node for node in self.traced.nodes if node.op == "placeholder"]
        given = iter(_leaves(self.traced.program, example))
        with torch.no_grad():
            inputs = [
                self._cast(_own(next(given)))
                if spec.kind.name == "USER_INPUT"
                else self._held(spec, node)
                for spec, node in zip(signature.input_specs, places, strict=True)
            ]
            found = self.run(*inputs)
        flat = pytree.tree_leaves(found)
        kinds = [spec.kind.name for spec in signature.output_specs]
        return [
            item
            for kind, item in zip(kinds, flat, strict=True)
            if kind == "USER_OUTPUT" and isinstance(item, torch.Tensor)
        ]

    def _held(self, spec: Any, node: Any) -> Any:
        """What a placeholder stands for; buffers are copied, because programs write into them."""
        program = self.traced.program
        tensor = find(program, spec.target)
        if tensor is None:
            return program.constants.get(spec.target)
        tensor = tensor.detach()
        if spec.kind.name != "PARAMETER":
            tensor = tensor.clone()
        if self.contents is not None and node in self.traced.values:
            tensor = self.contents(self.traced.values[node], tensor)
        return self._cast(tensor)

    def _cast(self, item: Any) -> Any:
        if self.double and isinstance(item, torch.Tensor) and item.is_floating_point():
            return item.to(torch.float64)
        return item

    def run_node(self, n: Any) -> Any:
        """Remember which node runs."""
        self.current = n
        return super().run_node(n)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator as in evaluation mode; regions are run by this class as well."""
        node = self.current
        if getattr(target, "_opname", "") in _CHECKS:
            return None
        if inlined(node, self.module) is not None:
            args = tuple(self._inside(a) if isinstance(a, torch.nn.Module) else a for a in args)
        elif self._trained:
            args, kwargs = evaluated(target, args, kwargs)
        if self.double:
            args, kwargs = pytree.tree_map(_widened, (args, kwargs))
        return super().call_function(target, args, kwargs)

    def _inside(self, body: Any) -> Any:
        """The body of a region, run like the program around it."""
        inner = copy.copy(self)
        torch.fx.Interpreter.__init__(inner, body)
        return lambda *given: inner.run(*given)


def _leaves(program: Any, example: Example) -> list[Any]:
    """Inputs in the order of the program's placeholders."""
    spec = program.call_spec.in_spec
    keywords = spec.children()[1].context if hasattr(spec, "children") else ()
    ordered = {name: example.kwargs[name] for name in keywords or ()}
    return list(pytree.tree_leaves((tuple(example.args), ordered)))


def _own(item: Any) -> Any:
    return item.detach().clone() if isinstance(item, torch.Tensor) else item


def _widened(item: Any) -> Any:
    is_float = isinstance(item, torch.dtype) and item.is_floating_point
    return torch.float64 if is_float else item
