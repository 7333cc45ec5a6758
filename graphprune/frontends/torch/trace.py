"""From a PyTorch module to the neutral graph, and back to what its nodes came from."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import hints
from graphprune.frontends.torch.batch import Batch, is_kept
from graphprune.frontends.torch.failure import untraceable
from graphprune.frontends.torch.lower import lower
from graphprune.frontends.torch.parameters import contents
from graphprune.frontends.torch.state import as_it_was, operator_by_operator
from graphprune.ir import Graph

AUTO: Final = "auto"


@dataclass(frozen=True, eq=False)
class Example:
    """How a module is called when it is traced.

    Attributes:
        args: Positional inputs.
        kwargs: Inputs by keyword.
        dynamic_shapes: Dimensions that stay symbolic, as :func:`trace` takes them.
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
        fixed: Why all sizes of the program are constants although its batch was to be dynamic;
            empty where it is dynamic, or was not to be.
    """

    module: Any
    program: Any
    graph: Graph
    nodes: tuple[Any, ...]
    values: Mapping[Any, str]
    example: Example = field(default_factory=Example)
    fixed: str = ""

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
    dynamic_shapes: Any = AUTO,
) -> TracedModule:
    """Trace a module with torch.export and lower it.

    The module is traced as it stands, in training or in evaluation mode, and is left as it was:
    its parameters are neither copied nor written to.

    Args:
        module: An nn.Module, or an ExportedProgram, which needs no example inputs.
        args: Positional example inputs; sizes of the graph are those of these tensors.
        kwargs: Example inputs by keyword.
        dynamic_shapes: Dimensions that stay symbolic in the program: ``"auto"`` for the batch,
            which is axis 0 of the first tensor and of all others of the same leading extent, as
            far as the module allows it; None for none; or as torch.export takes them.

    Raises:
        UnsupportedModel: It is no module, or torch.export cannot trace it; the message names the
            line.
    """
    if isinstance(module, torch.export.ExportedProgram):
        example, fixed, program = Example(*(module.example_inputs or ((), {}))), "", module
        if module.example_inputs is not None:
            hints.pin(program, example.args, example.kwargs)
    else:
        given = (args,) if isinstance(args, torch.Tensor) else tuple(args)
        example = Example(given, dict(kwargs or {}), dynamic_shapes)
        program, fixed = _program(module, example)
        example = replace(example, dynamic_shapes=None if fixed else dynamic_shapes)
    graph, values = lower(program)
    return TracedModule(module, program, graph, tuple(program.graph.nodes), values, example, fixed)


def _program(module: Any, example: Example) -> tuple[Any, str]:
    """The exported program, and why its batch is not dynamic although it was to be."""
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedModel(
            f"an object of type '{type(module).__name__}' cannot be traced",
            fix="give a torch.nn.Module or an ExportedProgram",
        )
    if example.dynamic_shapes != AUTO:
        return _exported(module, example), ""
    batch, fixed = Batch.of(example.args, example.kwargs), "no input has a batch dimension"
    if batch is not None:
        try:
            program = _exported(module, Example(batch.args, batch.kwargs, batch.shapes))
        except UnsupportedModel as error:
            fixed = error.why or error.what
        else:
            fits = hints.pin(program, example.args, example.kwargs)
            if fits and is_kept(program):
                program.example_inputs = (example.args, dict(example.kwargs))
                return program, ""
            fixed = "its size decides what the module computes"
    return _exported(module, replace(example, dynamic_shapes=None)), fixed


def _exported(module: Any, example: Example) -> Any:
    with as_it_was(module), operator_by_operator(), _quietly():
        try:
            return torch.export.export(
                module,
                example.args,
                dict(example.kwargs) or None,
                dynamic_shapes=example.dynamic_shapes,
                strict=False,
            )
        except Exception as error:  # whatever the module's own code raises comes through here
            raise untraceable(module, error) from error


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
