"""Inputs fitted one by one to what a module was traced with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as tree

from graphprune.errors import BadData
from graphprune.frontends.torch import hints

SEQUENCES = (list, tuple)


@dataclass(frozen=True, eq=False)
class Place:
    """One input of a program.

    Attributes:
        traced: What tracing found of the tensor or symbolic number; None for a constant.
        constant: What the module was traced with in this place.
    """

    traced: Any = None
    constant: Any = None

    @classmethod
    def of(cls, argument: Any, metas: Mapping[str, Any]) -> Place:
        """The place of a program's argument.

        Args:
            argument: As the program's signature describes it.
            metas: What tracing found of every placeholder.
        """
        meta = metas.get(getattr(argument, "name", ""))
        if hasattr(argument, "value") or meta is None:
            return cls(None, getattr(argument, "value", None))
        return cls(meta)


def leaves(name: str, template: Any, given: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """The leaves of an input by name, each with its place.

    Args:
        name: The input.
        template: Places, nested as the module takes them.
        given: What is to be nested alike.
        where: The batch, for messages.

    Raises:
        BadData: It is nested otherwise.
    """
    if isinstance(template, Place):
        if isinstance(given, (*SEQUENCES, Mapping)) and template.traced is not None:
            raise unfit(name, where, f"it is {kind(given)}, not a tensor")
        yield name, template, given
    elif isinstance(template, Mapping):
        if not isinstance(given, Mapping) or set(given) != set(template):
            raise unfit(name, where, f"it is {kind(given)}, not a dict of {list(template)}")
        for key, part in template.items():
            yield from leaves(f"{name}[{key!r}]", part, given[key], where)
    elif isinstance(template, SEQUENCES):
        if not isinstance(given, SEQUENCES) or len(given) != len(template):
            raise unfit(name, where, f"it is {kind(given)}, not a tuple of {len(template)}")
        for i, part in enumerate(template):
            yield from leaves(f"{name}[{i}]", part, given[i], where)
    else:
        parts, inputs = tree.tree_leaves(template), tree.tree_leaves(given)
        if type(given) is not type(template) or len(parts) != len(inputs):
            raise unfit(name, where, f"it is {kind(given)}, not a {type(template).__name__}")
        yield from ((name, part, item) for part, item in zip(parts, inputs, strict=True))


@dataclass(frozen=True, eq=False)
class Fitting:
    """The inputs of one call.

    Attributes:
        device: Where the module's parameters lie.
        where: The batch, for messages.
        fixed: Why the program's batch is a constant.
        sizes: Symbolic sizes that inputs have had so far.
    """

    device: Any
    where: str
    fixed: str
    sizes: dict[Any, int] = field(default_factory=dict)

    def leaf(self, name: str, place: Place, given: Any) -> Any:
        """One input, checked, and copied to the device in the traced type.

        Raises:
            BadData: It does not fit its place.
        """
        if place.traced is None:
            if given is not place.constant and not is_equal(given, place.constant):
                why = f"it was traced with {place.constant!r}, which became part of the program"
                raise unfit(name, self.where, why)
            return given
        if not isinstance(place.traced, torch.Tensor):
            return given
        if not isinstance(given, torch.Tensor | np.ndarray | np.generic):
            raise unfit(name, self.where, f"it is {kind(given)}, not a tensor")
        tensor = as_tensor(given)
        if _family(tensor) != _family(place.traced):
            types = hints.dtype(tensor), hints.dtype(place.traced)
            raise unfit(name, self.where, "its elements are {}, expected {}".format(*types))
        self._check(name, tuple(tensor.shape), place.traced)
        return tensor.detach().to(self.device, place.traced.dtype, copy=True)

    def _check(self, name: str, shape: tuple[int, ...], traced: Any) -> None:
        if len(shape) != traced.ndim:
            raise unfit(name, self.where, f"it has shape {shape}, expected {traced.ndim} axes")
        for axis, (size, expected) in enumerate(zip(shape, traced.shape, strict=True)):
            # A symbolic size may have turned out to be a number.
            extent = expected.node.expr if hints.is_symbolic(expected) else expected
            if not hints.is_symbolic(expected) or extent.is_number:
                if size != int(extent):
                    raise self._static(name, axis, size, int(extent))
                continue
            other = self.sizes.setdefault(extent, size)
            if size != other:
                why = f"axis {axis} has size {size}, where another input has {other}"
                raise unfit(name, self.where, why)

    def _static(self, name: str, axis: int, size: int, expected: int) -> BadData:
        why = f"axis {axis} has size {size}, but the program is static: it takes {expected}"
        fix = None
        if axis == 0:
            why += f" ({self.fixed})" if self.fixed else ""
            fix = f"give batches of {expected}, and drop a smaller last one (drop_last=True)"
        return unfit(name, self.where, why, fix)


def as_tensor(item: Any) -> Any:
    """A tensor of an array's contents; everything else as it is."""
    if isinstance(item, np.ndarray | np.generic):
        return torch.from_numpy(np.array(item))
    return item


def kind(item: Any) -> str:
    """What something is, in a few words."""
    if isinstance(item, torch.Tensor | np.ndarray):
        return f"one {type(item).__name__} of shape {tuple(item.shape)}"
    if isinstance(item, SEQUENCES):
        return f"a {type(item).__name__} of {len(item)}"
    if isinstance(item, Mapping):
        return f"a {type(item).__name__} of {', '.join(map(repr, item)) or 'nothing'}"
    return f"of type '{type(item).__name__}'"


def is_equal(given: Any, constant: Any) -> bool:
    """Whether an input that is no tensor is the one that the module was traced with."""
    plain = isinstance(given, int | float | str) and type(given) is type(constant)
    return plain and bool(given == constant)


def unfit(name: str, where: str, why: str, fix: str | None = None) -> BadData:
    """The error of an input that does not fit."""
    return BadData(f"input '{name}' does not fit the module", where=where, why=why, fix=fix)


def _family(tensor: Any) -> tuple[bool, ...]:
    """What may not silently become something else."""
    return tensor.is_floating_point(), tensor.is_complex(), tensor.dtype == torch.bool
