"""Concrete sizes: what symbolic ones are for the example inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.utils import _pytree as tree

from graphprune.ir.graph import Shape

Number = int | float | bool
_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)
# By the table of symbols of a program: sizes other than those it was traced with.
_PINNED: WeakKeyDictionary[Any, Mapping[Any, int]] = WeakKeyDictionary()


def is_symbolic(value: Any) -> bool:
    """Whether a traced value is a number that other inputs change."""
    return isinstance(value, _SYMBOLIC)


def is_number(value: Any) -> bool:
    """Whether a traced value is a number of Python's, symbolic or not."""
    return isinstance(value, int | float | bool) or is_symbolic(value)


def number(value: Any) -> Number | None:
    """A number for the example inputs; None where it depends on what tensors hold."""
    if is_symbolic(value):
        return _symbolic(value.node)
    return value if isinstance(value, int | float | bool) else None


def _symbolic(node: Any) -> Number | None:
    """A symbolic number, by the pinned sizes where there are any."""
    sizes = _PINNED.get(node.shape_env)
    if sizes:
        found = node.expr.xreplace(sizes)
        if not getattr(found, "free_symbols", ()):
            pinned: Number = node.pytype(found)
            return pinned
    hint: Number | None = node.hint
    return hint


def shape(tensor: Any) -> Shape | None:
    """The shape of a traced tensor; None where an extent depends on what tensors hold."""
    sizes = [number(size) for size in tensor.shape]
    if any(size is None for size in sizes):
        return None
    return tuple(int(size) for size in sizes if size is not None)


def dtype(tensor: Any) -> str:
    """NumPy's name of a tensor's element type."""
    return str(tensor.dtype).removeprefix("torch.")


def pin(program: Any, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Sizes of a program's tensors are those for certain inputs from now on.

    Args:
        program: An ExportedProgram.
        args: Positional inputs.
        kwargs: Inputs by keyword.

    Returns:
        Whether the program takes inputs of these sizes; where it does not, nothing is pinned.
    """
    pairs = list(_paired(program, args, kwargs))
    symbols: dict[Any, dict[Any, int]] = {}
    for traced, given in pairs:
        for size, extent in zip(traced.shape, given.shape, strict=False):
            if is_symbolic(size) and size.node.expr.is_Symbol:
                symbols.setdefault(size.node.shape_env, {})[size.node.expr] = int(extent)
    before = {table: _PINNED.get(table, {}) for table in symbols}
    _PINNED.update(symbols)
    fits = all(shape(traced) == tuple(given.shape) for traced, given in pairs)
    if fits and all(_holds(table, sizes) for table, sizes in symbols.items()):
        return True
    _PINNED.update(before)
    return False


def _holds(table: Any, sizes: Mapping[Any, int]) -> bool:
    """Whether what was found to be so while tracing is so for these sizes."""
    return not any(guard.expr.xreplace(sizes) == False for guard in table.guards)  # noqa: E712


def _paired(program: Any, args: Any, kwargs: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """What tracing found of every tensor input, and the tensor that is given for it."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names = list(program.graph_signature.user_inputs)
    ordered, named = tree.tree_unflatten(names, program.call_spec.in_spec)
    for places, inputs in ((ordered, tuple(args)), *((named[k], kwargs[k]) for k in named)):
        for name, given in zip(tree.tree_leaves(places), tree.tree_leaves(inputs), strict=True):
            if isinstance(given, torch.Tensor) and name in placeholders:
                yield placeholders[name].meta["val"], given
