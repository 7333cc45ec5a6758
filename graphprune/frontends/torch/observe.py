"""What a traced module does on the user's batches: activations, and gradients of a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import _pytree as tree

from graphprune.data import mean
from graphprune.errors import BadData
from graphprune.frontends.torch.differentiate import (
    differentiate,
    differentiate_twice,
    modes_of,
    require_wide,
    twice_differentiable,
)
from graphprune.frontends.torch.fitting import as_tensor, kind
from graphprune.frontends.torch.shadow import Shadow, failed
from graphprune.frontends.torch.trace import TracedModule

Array = NDArray[Any]
Contents = Mapping[str, Array]
Progress = Callable[[int, int | None], None]


class Observed:
    """Runs a traced module over batches, one at a time, and hands out what happens inside.

    The module runs in evaluation mode, outside of autocast and of whatever gradient mode is on;
    its parameters, their ``grad`` and ``requires_grad``, its buffers and modes stay as they are.
    Floating contents are given as float32, float64 where the module computes in it.

    Args:
        traced: The module.
        batches: What it is called with: tensors, arrays, tuples of positional inputs, dicts of
            inputs by keyword, or any of these with targets as ``(inputs, targets)`` or under the
            key ``labels`` or ``targets``; a single tensor, array or dict is one batch. A
            DataLoader or list is read as often as needed, an iterator once.
        loss: For gradients: a loss of outputs and targets, which is an nn.Module or a function of
            torch.nn.functional; or any callable that takes a module and a batch. Either gives a
            scalar. The module it is given stands in for the traced one and can only be called.
        progress: Called with the number of batches done, and of all batches where it is known.
    """

    def __init__(
        self,
        traced: TracedModule,
        batches: Iterable[Any],
        loss: Any = None,
        *,
        progress: Progress | None = None,
    ) -> None:
        single = isinstance(batches, torch.Tensor | np.ndarray | Mapping)
        self._traced, self._batches = traced, [batches] if single else batches
        self._loss, self._progress = loss, progress
        self._paired, self._spent = _is_of_outputs(loss), False
        if not isinstance(self._batches, Iterable) or isinstance(batches, str | bytes):
            raise BadData(
                "data cannot be read in batches",
                why=f"it is {kind(batches)}",
                fix="give a list of batches or a DataLoader",
            )

    @cached_property
    def learnable(self) -> frozenset[str]:
        """The values of the graph that training changes: neither buffers nor constants."""
        return Shadow(self._traced, ()).learnable

    def activations(self, names: Sequence[str]) -> Iterator[Contents]:
        """The contents of values, batch by batch; targets play no part.

        Args:
            names: Values of the graph that the module computes, or its inputs.

        Raises:
            BadData: There are no batches, one does not fit, or they were read before.
            UnsupportedModel: No operator of the module computes a value.
        """
        shadow = Shadow(self._traced, names)
        return self._each(shadow, self._look)

    def gradients(self, names: Sequence[str]) -> Iterator[Contents]:
        """The gradients of each batch's loss, batch by batch.

        Gradients that float16 would round to 0 are kept by scaling the loss.

        Args:
            names: Parameters of the graph, or computed values. Uses of a tied parameter are
                summed; what the loss does not depend on has gradient 0.

        Raises:
            BadData: There is no loss or it is no scalar, a gradient is not finite, there are no
                batches, one does not fit, or they were read before.
            UnsupportedModel: A value has no gradient.
        """
        return self._each(self._shadow_of_loss(names), self._differentiate)

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Contents]:
        """The Hessian of each batch's loss times the gradient of all batches' mean loss.

        The batches are gone through once for the gradient, and once more for the products.

        Args:
            names: Parameters of the graph: what the loss is differentiated by.
            temperature: By what floating-point outputs of the module are divided.

        Raises:
            BadData: As :meth:`gradients`; or the batches come from an iterator.
            UnsupportedModel: Something has no second derivative, or is narrower than float32.
        """
        shadow = self._shadow_of_loss(names, temperature)
        require_wide(shadow)
        if isinstance(self._batches, Iterator):
            raise self._read_twice()
        direction = mean(self._each(shadow, self._differentiate))
        return self._each(shadow, partial(self._curve, direction))

    def _shadow_of_loss(self, names: Sequence[str], temperature: float = 1.0) -> Shadow:
        if self._loss is None:
            raise BadData(
                "gradients need a loss",
                fix="give loss=, such as torch.nn.CrossEntropyLoss() where batches are pairs "
                "(inputs, targets), or a function that is called as loss(module, batch)",
            )
        return Shadow(self._traced, names, differentiate=True, temperature=temperature)

    def _each(
        self, shadow: Shadow, function: Callable[[Shadow, Any], Contents]
    ) -> Iterator[Contents]:
        """What a function gives for every batch; what can be refused at once, is."""
        if self._spent:
            raise self._read_twice()
        batches = iter(self._batches)
        self._spent = batches is self._batches
        return self._results(batches, shadow, function)

    def _read_twice(self) -> BadData:
        return BadData(
            "data can be read only once",
            why=f"it is {kind(self._batches)}, an iterator, and this is a second pass",
            fix="give a list of batches or a DataLoader",
        )

    def _results(
        self, batches: Iterator[Any], shadow: Shadow, function: Callable[[Shadow, Any], Contents]
    ) -> Iterator[Contents]:
        total = len(self._batches) if isinstance(self._batches, Sized) else None
        done = 0
        for done, batch in enumerate(batches, 1):
            # Modes are set around each batch and not around the yield, where they would leak.
            shadow.begin(f"batch {done}")
            with ExitStack() as modes:
                for mode in modes_of(shadow.arguments.device):
                    modes.enter_context(mode)
                found = function(shadow, batch)
            shadow.begin("")
            if self._progress is not None:
                self._progress(done, total)
            yield found
        if done == 0:
            raise BadData("data holds no batches", why=f"it is {kind(self._batches)}")

    def _look(self, shadow: Shadow, batch: Any) -> Contents:
        (args, kwargs), _ = shadow.arguments.split(batch, False, shadow.where)
        with torch.no_grad():
            shadow(*args, **kwargs)
        return cast(Contents, shadow.kept)

    def _differentiate(self, shadow: Shadow, batch: Any) -> Contents:
        return differentiate(self._scalar(shadow, batch), shadow)

    def _curve(self, direction: Contents, shadow: Shadow, batch: Any) -> Contents:
        with twice_differentiable(self._traced.graph):
            return differentiate_twice(self._scalar(shadow, batch), shadow, direction)

    def _scalar(self, shadow: Shadow, batch: Any) -> Any:
        """The loss of a batch, checked."""
        try:
            loss = self._evaluate(shadow, batch)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            fix = "a loss of outputs and targets has to be an nn.Module or a function of "
            fix += "torch.nn.functional; any other is called as loss(module, batch)"
            raise failed("the loss", shadow.where, error, fix) from error
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            fix = "give a tensor of one element, such as the mean over the batch"
            raise _bad_loss("is no scalar", shadow, f"what it gives is {kind(loss)}", fix)
        if not shadow.calls or not loss.requires_grad:
            why = "it never calls the module it is given"
            raise _bad_loss(
                "does not depend on the module",
                shadow,
                "what it gives has no gradient" if shadow.calls else why,
                "compute it from module(inputs): loss(module, batch)",
            )
        if not bool(torch.isfinite(loss)):
            raise _bad_loss("is not finite", shadow, f"it is {loss.item()}", None)
        return loss.reshape(())

    def _evaluate(self, shadow: Shadow, batch: Any) -> Any:
        device = shadow.arguments.device
        if not self._paired:
            return self._loss(shadow, tree.tree_map(partial(_moved, device=device), batch))
        (args, kwargs), targets = shadow.arguments.split(batch, True, shadow.where)
        outputs = tree.tree_map(_widened, shadow(*args, **kwargs))
        floats = [x.dtype for x in tree.tree_leaves(outputs) if _is_float(x)]
        targets = tree.tree_map(partial(_moved, device=device), targets)
        if floats:
            targets = tree.tree_map(lambda x: x.to(floats[0]) if _is_float(x) else x, targets)
        return self._loss(outputs, targets)


def _is_of_outputs(loss: Any) -> bool:
    """Whether a loss takes outputs and targets."""
    while isinstance(loss, partial):
        loss = loss.func
    functional = getattr(loss, "__module__", "") == "torch.nn.functional"
    return isinstance(loss, torch.nn.Module) or functional


def _moved(item: Any, device: Any) -> Any:
    item = as_tensor(item)
    if isinstance(item, Mapping) and hasattr(item, "to"):
        return item.to(device)  # what tokenizers give moves itself
    if not isinstance(item, torch.Tensor):
        return item
    # Autograd takes no tensors that were made in inference mode.
    return item.to(device, copy=item.is_inference())


def _is_float(item: Any) -> bool:
    return isinstance(item, torch.Tensor) and item.is_floating_point()


def _widened(item: Any) -> Any:
    return item.to(torch.float32) if _is_float(item) and item.element_size() < 4 else item


def _bad_loss(what: str, shadow: Shadow, why: str, fix: str | None) -> BadData:
    return BadData(f"the loss {what}", where=shadow.where, why=why, fix=fix)
