"""What goes into a PyTorch model and what comes out, by name."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphprune.backends.base import Shapes
from graphprune.data import Array, Dim, InputSpec
from graphprune.errors import BackendError


def prepared(torch: Any, model: Any, shapes: Shapes | None) -> tuple[Any, tuple[InputSpec, ...]]:
    """Returns a module of our own, and what it takes.

    Args:
        torch: The library.
        model: A module or an ExportedProgram.
        shapes: Shapes by input name.

    Raises:
        BackendError: It is no model of PyTorch, or the shapes do not fit it.
    """
    if isinstance(model, torch.export.ExportedProgram):
        return copy.deepcopy(model).module(), tuple(_program_inputs(model, shapes or {}))
    if not isinstance(model, torch.nn.Module):
        raise BackendError(
            f"the torch backend runs no {type(model).__name__}",
            fix="give it a torch.nn.Module or an ExportedProgram; ONNX files run on onnxruntime",
        )
    if not shapes:
        raise BackendError("the shapes of a module's inputs are not known", fix="give shapes")
    known = inspect.signature(model.forward).parameters
    if list(known)[: len(shapes)] != list(shapes):
        raise BackendError(
            "the shapes do not name the first arguments of the module",
            why=f"its arguments: {', '.join(known)}; shapes: {', '.join(shapes)}",
        )
    specs = (InputSpec(name, tuple(shape), np.dtype("float32")) for name, shape in shapes.items())
    return copy.deepcopy(model).eval(), tuple(specs)


def _program_inputs(program: Any, shapes: Shapes) -> Iterator[InputSpec]:
    """What a program takes; open sizes stay open unless shapes give them."""
    nodes = {node.name: node for node in program.graph.nodes}
    for name in program.graph_signature.user_inputs:
        example = nodes[name].meta["val"]
        dims: list[Dim] = [size if isinstance(size, int) else None for size in example.shape]
        given = shapes.get(name, tuple(dims))
        if len(given) != len(dims) or any(
            known not in (None, size) for known, size in zip(dims, given, strict=True)
        ):
            raise BackendError(f"the shape given for input {name!r} does not fit", why=str(dims))
        dtype = np.dtype(str(example.dtype).removeprefix("torch."))
        yield InputSpec(name, tuple(given), dtype)


def named(torch: Any, results: Any) -> dict[str, Any]:
    """Returns the tensors of a result by name.

    Args:
        torch: The library.
        results: What a module returned: the names are the keys of a mapping, else "output",
            "output_1" and so on.
    """
    if isinstance(results, Mapping):
        return {str(key): value for key, value in results.items() if torch.is_tensor(value)}
    leaves, _ = torch.utils._pytree.tree_flatten(results)
    tensors = [leaf for leaf in leaves if torch.is_tensor(leaf)]
    return {f"output_{at}" if at else "output": tensor for at, tensor in enumerate(tensors)}


def as_array(torch: Any, tensor: Any) -> Array:
    """Returns a tensor as an array; NumPy has no bfloat16, so small floats become float32.

    Args:
        torch: The library.
        tensor: On any device.
    """
    widened = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    array: Array = widened.cpu().contiguous().numpy()
    return array
