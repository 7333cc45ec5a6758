"""A stand-in for a traced module that shows what happens inside while it runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import _pytree as tree

from graphprune.errors import BadData, GraphpruneError, UnsupportedModel
from graphprune.frontends.torch.arguments import Arguments
from graphprune.frontends.torch.evaluation import differentiable, evaluated
from graphprune.frontends.torch.parameters import Parameters
from graphprune.frontends.torch.regions import inlined
from graphprune.frontends.torch.trace import TracedModule

Array = NDArray[Any]

# Checks of what tracing saw.
_CHECKS = {"_assert_tensor_metadata"}
# Regions that change how their operators compute; all others only how memory is used.
_MODES = {"wrap_with_set_grad_enabled", "wrap_with_autocast"}


class Shadow(torch.nn.Module):  # type: ignore[misc]
    """Runs the program of a module in evaluation mode, on the module's own tensors.

    It is called like the module and returns what the module returns. Nothing of the module is
    written to: parameters are read through detached tensors, buffers are copied.

    Attributes:
        arguments: The inputs it takes.
        calls: How often it was called since :meth:`begin`.
        kept: What the wanted values held: arrays, or where gradients are wanted, tensors.
        leaves: The tensors that stand for parameters and buffers, by name.
        where: The batch, for messages.
    """

    def __init__(
        self,
        traced: TracedModule,
        names: Sequence[str],
        *,
        differentiate: bool = False,
        temperature: float = 1.0,
    ) -> None:
        """Prepares to look at values.

        Args:
            traced: The module.
            names: Values of its graph that are looked at.
            differentiate: Look at gradients instead of contents.
            temperature: By what floating-point results are divided.

        Raises:
            UnsupportedModel: A value is no result of an operator of the module.
        """
        super().__init__()
        self.training = False
        self._traced, self._stored = traced, Parameters(traced.program)
        self._temperature = temperature
        self._sources = _sources(traced, self._stored)
        specs = traced.program.graph_signature.input_specs
        self._learnable = {s.arg.name for s in specs if s.kind.name == "PARAMETER"}
        if differentiate:
            _check_types(traced, names)
        labels = {**_labels(traced.program.graph_module, ""), **self._sources}
        _check(traced, names, set(labels.values()))
        wanted = {key: name for key, name in labels.items() if name in set(names)}
        self.differentiate = differentiate
        # Gradients of what is computed may need the whole way back to the inputs.
        self._deep = differentiate and any(key not in self._sources for key in wanted)
        self._wanted = set(wanted.values())
        self.arguments = Arguments(traced, _device(traced))
        self._run = _Run(self, traced, wanted)
        self.begin("")

    def begin(self, where: str) -> None:
        """Forget what was kept, for the next batch."""
        self.where, self.calls = where, 0
        self.kept: dict[str, Any] = {}
        self.leaves: dict[str, Any] = {}
        self._run.env.clear()

    def __getattr__(self, name: str) -> Any:
        """What the module says of itself, such as its configuration; none of its parts."""
        traced = self.__dict__.get("_traced")
        found = getattr(traced.module, name, None) if traced is not None else None
        if found is None or callable(found) or isinstance(found, torch.Tensor):
            raise AttributeError(f"a loss can call the module, but cannot have its '{name}'")
        return found

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """The tensors that stand for the parameters, so that a loss may weigh them."""
        for node in self._stored.held:
            if node.name in self._learnable:
                yield self._stored.source(node), self._leaf(node)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module returns.

        Raises:
            BadData: The inputs do not fit, or the program fails on them.
        """
        program = self._traced.program
        given = iter(self.arguments.leaves(args, kwargs, self.where))
        self.calls += 1
        places = [node for node in program.graph.nodes if node.op == "placeholder"]
        specs = program.graph_signature.input_specs
        inputs = [
            self._input(next(given)) if spec.kind.name == "USER_INPUT" else self._held(node, spec)
            for spec, node in zip(specs, places, strict=True)
        ]
        try:
            found = tree.tree_leaves(self._run.run(*inputs))
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise failed("the module", self.where, error) from error
        self._run.env.clear()
        kinds = [spec.kind.name for spec in program.graph_signature.output_specs]
        results = [
            self._cooled(x) for kind, x in zip(kinds, found, strict=True) if kind == "USER_OUTPUT"
        ]
        return tree.tree_unflatten(results, program.call_spec.out_spec)

    def _cooled(self, result: Any) -> Any:
        if self._temperature != 1.0 and isinstance(result, torch.Tensor) and _differs(result):
            return result / self._temperature
        return result

    def _input(self, tensor: Any) -> Any:
        # A clone, because operators may write into it, which leaves do not allow.
        if self._deep and isinstance(tensor, torch.Tensor) and _differs(tensor):
            return tensor.requires_grad_().clone()
        return tensor

    def _held(self, node: Any, spec: Any) -> Any:
        """What a placeholder stands for that is no input."""
        if node not in self._stored.held:
            return self._traced.program.constants.get(spec.target)
        tensor = self._leaf(node)
        return tensor if spec.kind.name == "PARAMETER" else tensor.clone()

    def _leaf(self, node: Any) -> Any:
        """The stand-in of a parameter or buffer; tied ones have one."""
        source = self._stored.source(node)
        if source not in self.leaves:
            held = self._stored.held[node]
            tensor = held.clone() if held.is_inference() else held.detach()
            # Buffers only where asked: what they hold of statistics has no derivative.
            asked = node.name in self._learnable or self._sources.get(node.name) in self._wanted
            wanted = self.differentiate and asked
            self.leaves[source] = tensor.requires_grad_() if wanted and _differs(tensor) else tensor
        return self.leaves[source]

    def keep(self, name: str, tensor: Any) -> None:
        """Remember what a wanted value holds now, before anything writes into it."""
        if not self.differentiate:
            self.kept[name] = numbers(tensor)
            return
        if name in self._sources.values():
            return  # their leaves are asked
        if name in self.kept:
            raise BadData(
                f"'{name}' has no single gradient",
                where=self.where,
                why="the loss calls the module more than once",
            )
        edge = torch.autograd.graph.get_gradient_edge(tensor) if tensor.requires_grad else None
        self.kept[name] = edge, torch.empty_like(tensor, device="meta")

    def ends(self) -> dict[str, tuple[Any, Any]]:
        """For every wanted value what to ask autograd for, if anything, and a tensor like it."""
        found = {n: self._leaf(n) for n in self._stored.held if n.name in self._sources}
        named = {self._sources[n.name]: (leaf, leaf) for n, leaf in found.items()}
        return {name: pair for name, pair in named.items() if name in self._wanted} | self.kept

    @property
    def learnable(self) -> frozenset[str]:
        """Values of the graph that are parameters: neither buffers nor constants."""
        return frozenset(v for k, v in self._sources.items() if k in self._learnable)


class _Run(torch.fx.Interpreter):  # type: ignore[misc]
    """The program, with an eye on every operator."""

    def __init__(self, shadow: Shadow, traced: TracedModule, wanted: Mapping[str, str]) -> None:
        super().__init__(traced.program.graph_module)
        parts: Any = getattr(traced.module, "modules", tuple)()
        self._trained = any(part.training for part in parts)
        self._shadow, self._wanted, self._prefix = shadow, wanted, ""
        self._current: Any = None

    def run_node(self, n: Any) -> Any:
        self._current = n
        result = super().run_node(n)
        name = self._wanted.get(self._prefix + n.name)
        if name is not None and isinstance(result, torch.Tensor):
            self._shadow.keep(name, result)
        return result

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        node = self._current
        if getattr(target, "_opname", "") in _CHECKS:
            return None
        region = inlined(node, self.module)
        if region is not None:
            return self._region(target, args, *region)
        if self._trained:
            args, kwargs = evaluated(target, args, kwargs)
        if self._shadow.differentiate:
            args, kwargs = differentiable(target, args, kwargs)
        return super().call_function(target, args, kwargs)

    def _region(self, target: Any, args: Any, body: Any, operands: Sequence[Any]) -> Any:
        inner = copy.copy(self)
        torch.fx.Interpreter.__init__(inner, body)
        inner._prefix = f"{self._prefix}{self._current.name}/"
        if getattr(target, "_name", getattr(target, "__name__", "")) in _MODES:
            return target(*(inner.run if a is body else a for a in args))
        return inner.run(*(self.env[operand] for operand in operands))


def numbers(tensor: Any) -> Array:
    """A copy of a tensor's contents; floating types narrower than float32 are widened to it."""
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.to(torch.float32)
    return np.asarray(tensor.to("cpu", copy=True).numpy())


def failed(what: str, where: str, error: Exception, fix: str | None = None) -> GraphpruneError:
    """The error for whatever a module or a loss raises on a batch."""
    if isinstance(error, GraphpruneError):
        return error
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, torch.OutOfMemoryError):
        fix = "give smaller batches"
    return BadData(f"{what} fails on a batch", where=where, why=lines[0], fix=fix)


def _differs(tensor: Any) -> bool:
    """Whether a tensor's elements can have gradients."""
    return bool(tensor.is_floating_point() or tensor.is_complex())


def _device(traced: TracedModule) -> Any:
    tensors = [*traced.program.state_dict.values(), *tree.tree_leaves(traced.example.args)]
    found = (t.device for t in tensors if isinstance(t, torch.Tensor))
    return next(found, torch.device("cpu"))


def _sources(traced: TracedModule, parameters: Parameters) -> dict[str, str]:
    """The values that placeholders of parameters, buffers and constants stand for."""
    taken = {node.name for node in traced.program.graph.nodes}
    names = {}
    for node in parameters.held:
        source = parameters.source(node)
        names[node.name] = node.name if source in taken else source
    return {k: v for k, v in names.items() if v in traced.graph.values}


def _labels(module: Any, prefix: str) -> dict[str, str]:
    """Every node of a program, in regions too; values are called by them."""
    found = {}
    for node in module.graph.nodes:
        if isinstance(node.meta.get("val"), torch.Tensor):
            found[prefix + node.name] = prefix + node.name
        region = inlined(node, module) if node.op == "call_function" else None
        if region is not None:
            found |= _labels(region[0], f"{prefix}{node.name}/")
    return found


def _check(traced: TracedModule, names: Sequence[str], known: set[str]) -> None:
    for name in names:
        value = traced.graph.values.get(name)
        if value is None or name not in known:
            why = "it is a step of an operator that was lowered to several"
            raise UnsupportedModel(
                f"'{name}' cannot be observed",
                where=name,
                why="the graph has no such value" if value is None else why,
                fix="ask for values that are called like a node of traced.program.graph",
            )


def _check_types(traced: TracedModule, names: Sequence[str]) -> None:
    for name in names:
        value = traced.graph.values.get(name)
        if value is not None and not ("float" in value.dtype or "complex" in value.dtype):
            why = f"its elements are {value.dtype}"
            raise UnsupportedModel(f"'{name}' has no gradient", where=name, why=why)
