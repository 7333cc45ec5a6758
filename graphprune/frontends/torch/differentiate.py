"""First and second derivatives of a loss by what a shadow keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphprune.errors import BadData, UnsupportedModel
from graphprune.frontends.torch.shadow import Shadow, numbers
from graphprune.ir import Graph

Array = NDArray[Any]

# By what the loss of a float16 module is multiplied: as much as its gradients bear.
_SCALES = (2.0**16, 2.0**8, 1.0)
_RECURRENT = ("lstm", "gru", "rnn")


def modes_of(device: Any) -> Iterator[Any]:
    """What gradients need, whatever surrounds the caller.

    Args:
        device: Where the module is.
    """
    yield torch.inference_mode(False)
    yield torch.enable_grad()
    for kind_of_device in {"cpu", device.type}:
        if torch.amp.is_autocast_available(kind_of_device):
            yield torch.autocast(kind_of_device, enabled=False)


def differentiate(loss: Any, shadow: Shadow) -> dict[str, Array]:
    """The gradients of a loss by all that a shadow was asked for.

    Args:
        loss: A tensor of one element.
        shadow: What the loss was computed with.

    Raises:
        BadData: A gradient is not finite.
        UnsupportedModel: An operator has no derivative.
    """
    ends = _asked(shadow)
    found = dict(zip(ends, _gradients(loss, list(ends.values()), shadow), strict=True))
    return _named(found, shadow, loss)


@contextmanager
def twice_differentiable(graph: Graph) -> Iterator[None]:
    """Has operators computed in ways that can be differentiated twice.

    Fused attention, and cuDNN's recurrent layers, cannot.

    Args:
        graph: What is run.
    """
    with ExitStack() as modes:
        modes.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(node.family in _RECURRENT for node in graph.nodes):
            modes.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


def differentiate_twice(
    loss: Any, shadow: Shadow, direction: Mapping[str, Array]
) -> dict[str, Array]:
    """The Hessian of a loss times a vector.

    Source: Pearlmutter, "Fast Exact Multiplication by the Hessian", Neural Computation 6, 1994:
    it is the gradient of the gradient's product with the vector.

    Args:
        loss: A tensor of one element, computed under :func:`twice_differentiable`.
        shadow: What the loss was computed with; parameters were asked for.
        direction: The vector, by name.

    Raises:
        BadData: An element is not finite.
        UnsupportedModel: An operator has no second derivative.
    """
    ends = _asked(shadow)
    slopes = _derived(loss, list(ends.values()), shadow, create_graph=True)
    product = sum(
        (slope * torch.from_numpy(direction[name]).to(slope)).sum()
        for name, slope in zip(ends, slopes, strict=True)
        if slope is not None
    )
    # A loss that is linear in the parameters has constant gradients.
    curved = isinstance(product, torch.Tensor) and product.requires_grad
    found = _derived(product, list(ends.values()), shadow) if curved else []
    return _named(dict(zip(ends, found, strict=False)), shadow, loss)


def require_wide(shadow: Shadow) -> None:
    """Refuses parameters that are too narrow for second derivatives.

    Args:
        shadow: Asked for parameters.

    Raises:
        UnsupportedModel: One is narrower than float32.
    """
    for name, (_, like) in shadow.ends().items():
        if like.element_size() < 4:
            raise UnsupportedModel(
                "second derivatives need float32",
                where=name,
                why=f"its elements are {str(like.dtype).removeprefix('torch.')}",
                fix="score the module in float32: module.float(); or choose another criterion",
            )


def _asked(shadow: Shadow) -> dict[str, Any]:
    return {name: end for name, (end, _) in shadow.ends().items() if end is not None}


def _named(found: Mapping[str, Any], shadow: Shadow, loss: Any) -> dict[str, Array]:
    """Derivatives as arrays, 0 for what the loss does not depend on."""
    derivatives = {}
    for name, (_, like) in shadow.ends().items():
        derivative = found.get(name)
        if derivative is None:
            derivative = torch.zeros_like(like, device="cpu")
        derivatives[name] = numbers(derivative)
        if not np.isfinite(derivatives[name]).all():
            raise BadData(
                f"the gradient of '{name}' is not finite",
                where=shadow.where,
                why=f"with a loss of {loss.item():g} it leaves the range of {like.dtype}",
                fix="look for extreme inputs, or prune the module in float32",
            )
    return derivatives


def _gradients(loss: Any, ends: list[Any], shadow: Shadow) -> list[Any]:
    """Gradients in the types of what they belong to, float32 where that is float16."""
    narrow = any(x.dtype == torch.float16 for _, x in shadow.ends().values())
    if not narrow:
        return _derived(loss, ends, shadow)
    for scale in _SCALES:
        last = scale == _SCALES[-1]
        found = _derived(loss.to(torch.float32) * scale, ends, shadow, retain_graph=not last)
        found = [None if g is None else g.to(torch.float32) / scale for g in found]
        if last or all(g is None or bool(g.isfinite().all()) for g in found):
            break
    return found


def _derived(loss: Any, ends: list[Any], shadow: Shadow, **how: bool) -> list[Any]:
    """What autograd gives, None for what the loss does not depend on."""
    if not ends:
        return []
    try:
        return list(torch.autograd.grad(loss, ends, allow_unused=True, **how))
    except RuntimeError as error:
        raise UnsupportedModel(
            "gradients cannot be computed",
            where=shadow.where,
            why=str(error).splitlines()[0],
            fix="choose a criterion that needs none",
        ) from error
