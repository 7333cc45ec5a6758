"""How a rewritten module is called: the original's signature around a flat graph."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as tree

from graphprune.frontends.torch import TracedModule

_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, eq=False)
class CallForm:
    """From arguments to the inputs of a flat graph, and from its outputs to the result.

    Attributes:
        signature: Of the original's ``forward``, without annotations.
        inputs: Structure of positional and keyword arguments as they were traced.
        output: Structure of the result.
        fixed: Arguments that are no tensors, by their place among the leaves: the trace holds
            for these values.
    """

    signature: inspect.Signature
    inputs: Any
    output: Any
    fixed: Mapping[int, Any]

    @classmethod
    def of(cls, traced: TracedModule) -> CallForm:
        """The form in which a traced module is called."""
        program = traced.program
        kinds = [s for s in program.graph_signature.input_specs if s.kind.name == "USER_INPUT"]
        fixed = {
            i: spec.arg.value
            for i, spec in enumerate(kinds)
            if type(spec.arg).__name__ == "ConstantArgument"
        }
        spec = program.call_spec
        return cls(_signature(traced), spec.in_spec, spec.out_spec, fixed)

    def definition(self) -> list[str]:
        """The parameters of ``forward`` as they are written in its definition."""
        text = str(self.signature)[1:-1]
        return [text] if text else []

    def leaves(self, arguments: Mapping[str, Any]) -> list[Any]:
        """The inputs of the flat graph.

        Args:
            arguments: The parameters of ``forward`` by name.

        Raises:
            TypeError: They have another structure than those traced, or what is no tensor has
                another value.
        """
        args, kwargs = self._as_traced(arguments)
        try:
            found = list(self.inputs.flatten_up_to((args, kwargs)))
        except ValueError as error:
            raise TypeError(f"the module was traced with other arguments: {error}") from error
        for place, value in self.fixed.items():
            same = type(found[place]) is type(value) and found[place] == value
            if not same:
                raise TypeError(
                    f"the module was traced with {value!r} and holds for no other value: "
                    f"{found[place]!r}"
                )
        return found

    def _as_traced(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments passed by position and by keyword as they were while tracing."""
        ordered, named = _children(self.inputs)
        count = ordered.num_children
        left = dict(arguments)
        args: list[Any] = []
        parameters = self.signature.parameters.values()
        for parameter in parameters:
            if parameter.kind in _NAMED and len(args) < count:
                args.append(left.pop(parameter.name))
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(left.pop(parameter.name))
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                left.update(left.pop(parameter.name))
        kwargs = {name: left.pop(name) for name in named.context if name in left}
        for name, value in left.items():
            known = self.signature.parameters.get(name)
            if known is None or (value is not known.default and value != known.default):
                raise TypeError(f"the module was traced without the argument '{name}'")
        return tuple(args), kwargs

    def result(self, leaves: Sequence[Any]) -> Any:
        """The result in its structure."""
        return tree.tree_unflatten(list(leaves), self.output)


def _children(spec: Any) -> list[Any]:
    """Structures of positional and keyword arguments; the accessor is younger than the field."""
    if hasattr(spec, "children"):
        found: list[Any] = spec.children()
        return found
    return list(spec.children_specs)


def _signature(traced: TracedModule) -> inspect.Signature:
    """The signature without annotations, whose types need not be importable."""
    if isinstance(traced.module, torch.nn.Module):
        found = inspect.signature(traced.module.forward)
        plain = [_plain(parameter) for parameter in found.parameters.values()]
        return inspect.Signature(plain)
    entry = traced.program.module_call_graph[0].signature
    ordered, named = _children(traced.program.call_spec.in_spec)
    names = list(getattr(entry, "forward_arg_names", None) or ())
    if len(names) != ordered.num_children + len(named.context):
        names = [f"arg_{i}" for i in range(ordered.num_children)] + list(named.context)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose default can be written down; others were traced with what they hold."""
    default = parameter.default
    if default is not inspect.Parameter.empty:
        try:
            literal = ast.literal_eval(repr(default)) == default
        except (ValueError, SyntaxError, TypeError):
            literal = False
        default = default if literal else ...
    return parameter.replace(annotation=inspect.Parameter.empty, default=default)


class FormCodeGen(torch.fx.graph.CodeGen):  # type: ignore[misc]
    """Writes the ``forward`` of a flat graph with the signature of a call form.

    Args:
        form: The call form; the module must give it as ``_form``.
    """

    def __init__(self, form: CallForm) -> None:
        super().__init__()
        self.form = form

    def process_inputs(self, *inputs: Any) -> list[Any]:
        """What an interpreter of the graph gives its placeholders."""
        bound = self.form.signature.bind(*inputs)
        bound.apply_defaults()
        return self.form.leaves(bound.arguments)

    def process_outputs(self, outputs: Any) -> Any:
        """What an interpreter of the graph returns."""
        return self.form.result(outputs)

    def gen_fn_def(self, free_vars: list[str], annotation: str, **options: Any) -> str:
        """The definition and what takes its arguments apart."""
        names = list(self.form.signature.parameters)
        head: str = super().gen_fn_def(self.form.definition(), annotation)
        given = ", ".join(f"{name!r}: {name}" for name in names)
        leaves = "".join(f"{x.split(':')[0].split('#')[0].strip()}, " for x in free_vars)
        call = f"self._form.leaves({{{given}}})"
        return f"{head}\n    {leaves}= {call}" if leaves else f"{head}\n    {call}"

    def generate_output(self, output_args: Any, **options: Any) -> str:
        """The return statement."""
        spell = options.get("repr_fn") or repr
        return f"return self._form.result({spell(output_args)})"
