"""The expectation proxy of a model: what random masks leave of the flow through its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphprune.frontends.onnx import load, lower
from graphprune.inspection import Native, example_of, is_module
from graphprune.ir.graph import Shape
from graphprune.passes.linearise import SynExp, expectation

__all__ = ["SynExp", "synexp"]


def synexp(
    model: Any,
    example_inputs: Any = None,
    *,
    densities: Mapping[str, float] | None = None,
    exact: bool = False,
    shapes: Mapping[str, Shape] | None = None,
) -> SynExp:
    """The expected synaptic flow of a model whose layers are masked at random: SynExp.

    Nonlinearities, norms and biases are bypassed as in SynFlow, a maximum over a window counts as
    its mean, and of two activations that are multiplied the one that gates the other counts as
    one (squeeze-and-excitation, attention weights: see :mod:`graphprune.passes.linearise`).

    Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549.

    Args:
        model: A path, a ModelProto, an nn.Module or an ExportedProgram.
        example_inputs: What an nn.Module is called with.
        densities: The fraction of its weights that a layer keeps, by the name of the weight; 1
            where left out.
        exact: Take every weight's own magnitude rather than the layer's mean: the expectation
            over masks alone.
        shapes: Input shapes by name, where an ONNX model leaves them open.

    Raises:
        InvalidModel: It is not a usable ONNX model.
        UnsupportedModel: torch.export cannot trace the module, or an operation has no linear
            counterpart; the message names it.
        BadData: A density makes no sense, or a module comes without example inputs.
    """
    found: Native = (
        _traced(model, example_inputs) if is_module(model) else lower(load(model), shapes)
    )
    return expectation(found.graph, found.contents, densities, exact=exact)


def _traced(module: Any, example_inputs: Any) -> Native:
    from graphprune.frontends.torch import trace
    from graphprune.frontends.torch.modes import evaluating

    example = example_of(module, example_inputs)
    with evaluating(module):
        return trace(module, example.args, example.kwargs)
