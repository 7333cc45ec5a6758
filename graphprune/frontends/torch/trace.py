"""From a PyTorch module to the neutral graph, and back to what its nodes came from."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch.failure import untraceable
from graphprune.frontends.torch.lower import lower
from graphprune.frontends.torch.parameters import contents
from graphprune.ir import Graph


@dataclass(frozen=True, eq=False)
class Example:
    """How a module is called when it is traced.

    Attributes:
        args: Positional inputs.
        kwargs: Inputs by keyword.
        dynamic_shapes: Dimensions that stay symbolic, as torch.export takes them.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    dynamic_shapes: Any = None


@dataclass(frozen=True, eq=False)
class TracedModule:
    """A module and the graph it was lowered to.

    Attributes:
        module: What was traced: an nn.Module or an ExportedProgram.
        program: The ExportedProgram.
        graph: Its canonical form. Parameters, buffers and lifted constants are values of kind
            ``param`` by their fully qualified names (by their placeholder's where a node of the
            traced graph has that name), everything else is called like its FX node.
        nodes: The FX nodes; nodes of the graph point at them by ``origin``.
        values: The value that each FX node stands for. Several nodes stand for one value where
            elements are handed on unchanged (``contiguous``, ``detach``, an in-place operator's
            operand and result).
        example: What it was traced with, so that a narrowed copy can be traced the same way.
    """

    module: Any
    program: Any
    graph: Graph
    nodes: tuple[Any, ...]
    values: Mapping[Any, str]
    example: Example = field(default_factory=Example)

    def contents(self, name: str) -> NDArray[np.generic]:
        """The contents of a parameter or constant value of the graph, read-only.

        Element types that NumPy does not know are widened to float32.

        Raises:
            UnsupportedModel: The parameter has no storage.
        """
        value = self.graph.values[name]
        if value.const is not None:
            return value.const
        return contents(self.program, value.source or name)


def trace(
    module: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
) -> TracedModule:
    """Trace a module with torch.export and lower it.

    The module is traced as it stands, in training or in evaluation mode, and is left as it was:
    its parameters are neither copied nor written to.

    Args:
        module: An nn.Module, or an ExportedProgram, which needs no example inputs.
        args: Positional example inputs; sizes of the graph are those of these tensors.
        kwargs: Example inputs by keyword.
        dynamic_shapes: As torch.export takes them: dimensions that stay symbolic in the program.

    Raises:
        UnsupportedModel: It is no module, or torch.export cannot trace it; the message names the
            line.
    """
    if isinstance(module, torch.export.ExportedProgram):
        program = module
        example = Example(*(program.example_inputs or ((), {})))
    else:
        given = (args,) if isinstance(args, torch.Tensor) else tuple(args)
        example = Example(given, dict(kwargs or {}), dynamic_shapes)
        program = _exported(module, example)
    graph, values = lower(program)
    return TracedModule(module, program, graph, tuple(program.graph.nodes), values, example)


def _exported(module: Any, example: Example) -> Any:
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedModel(
            f"an object of type '{type(module).__name__}' cannot be traced",
            fix="give a torch.nn.Module or an ExportedProgram",
        )
    keywords = dict(example.kwargs) or None
    with _as_it_was(module), _quietly():
        try:
            return torch.export.export(
                module,
                example.args,
                keywords,
                dynamic_shapes=example.dynamic_shapes,
                strict=False,
            )
        except Exception as error:  # whatever the module's own code raises comes through here
            raise untraceable(module, error) from error


@contextmanager
def _as_it_was(module: Any) -> Iterator[None]:
    """Give every sub-module back the mode it was in."""
    modes = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep back what is no news to the user.

    torch.export prints the partial graph when it fails, and warns of attributes that recurrent
    modules set while they run, which it sets back.
    """
    held = io.StringIO()
    with redirect_stderr(held), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The tensor attribute", UserWarning)
        yield
    sys.stderr.write(held.getvalue())
