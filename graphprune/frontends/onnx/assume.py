"""Concrete input shapes for a model whose inputs may leave theirs open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx

from graphprune.errors import InvalidModel, UnsupportedModel
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.ir.graph import Shape

# Extents tried for symbolic dimensions that are not the batch, in this order.
_GUESSES = (224, 256, 512, 640, 576, 320, 128, 64, 32, 1)


@dataclass(frozen=True)
class Assumption:
    """One concrete shape for every input.

    Attributes:
        shapes: By input name; None for inputs that are no tensors.
        guessed: Whether an extent was guessed, so that another guess may do better.
        symbolic: Whether the model leaves an extent open, guessed or given.
    """

    shapes: Mapping[str, Shape | None]
    guessed: bool
    symbolic: bool


def assumptions(model: OnnxModel, given: Mapping[str, Shape]) -> Iterator[Assumption]:
    """Concrete input shapes to try, best first.

    Args:
        model: The model; initializers that are inputs too keep their own shape.
        given: Shapes the user asks for, by input name.

    Raises:
        InvalidModel: A given shape contradicts the model, or an input is declared twice.
        UnsupportedModel: The model does not tell the rank of an input.
    """
    inputs = [i for i in model.proto.graph.input if i.name not in model.tensors]
    names = [i.name for i in inputs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidModel(f"input '{name}' is declared twice")
    for name in given:
        if name not in names:
            raise InvalidModel(
                f"there is no input '{name}'", fix=f"inputs are: {', '.join(sorted(names))}"
            )
    symbolic = any(d.dim_value <= 0 for i in inputs for d in i.type.tensor_type.shape.dim)
    symbolic |= any(not _ranked(i) for i in inputs)
    for guess in _GUESSES:
        found = {i.name: _concrete(i, given.get(i.name), guess) for i in inputs}
        guessed = any(guessed for _, guessed in found.values())
        yield Assumption({name: shape for name, (shape, _) in found.items()}, guessed, symbolic)
        if not guessed:
            return


def _ranked(info: onnx.ValueInfoProto) -> bool:
    tensor = info.type.HasField("tensor_type")
    return not tensor or info.type.tensor_type.HasField("shape")


def _concrete(
    info: onnx.ValueInfoProto, given: Shape | None, guess: int
) -> tuple[Shape | None, bool]:
    """One input's shape, and whether an extent was guessed."""
    if not info.type.HasField("tensor_type"):
        return None, False
    dims = info.type.tensor_type.shape.dim
    if given is not None:
        fixed = [d.dim_value for d in dims] if _ranked(info) else [0] * len(given)
        if len(fixed) != len(given) or any(f > 0 and f != g for f, g in zip(fixed, given)):  # noqa: B905
            raise InvalidModel(
                f"shape {list(given)} does not fit input '{info.name}'",
                why=f"the model declares {[d.dim_param or d.dim_value for d in dims]}",
            )
        return given, False
    if not _ranked(info):
        raise UnsupportedModel(
            f"the model does not say how many axes input '{info.name}' has",
            fix=f"give its shape, for example: --shape {info.name}=1,3,224,224",
        )
    shape, guessed = [], False
    for axis, dim in enumerate(dims):
        if dim.dim_value > 0:
            shape.append(dim.dim_value)
            continue
        guessed = True
        batch = axis == 0 or "batch" in dim.dim_param.lower()
        shape.append(1 if batch else 3 if axis == 1 and len(dims) == 4 else guess)
    return tuple(shape), guessed
