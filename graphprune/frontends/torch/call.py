"""One call of a PyTorch operator: its arguments by name, its results by place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphprune.frontends.torch import hints
from graphprune.frontends.torch.aliases import is_written
from graphprune.frontends.torch.rules import UnsupportedForm
from graphprune.ir.graph import Shape


@dataclass(frozen=True, eq=False)
class Call:
    """A call of the traced graph, as lowering rules see it.

    Attributes:
        node: The FX node.
        name: What its result is called in the graph.
        value_of: Gives the name of the value that an FX node stands for.
        results: What each result is called; empty where nothing reads it.
    """

    node: Any
    name: str
    value_of: Callable[[Any], str]
    results: tuple[str, ...]

    @cached_property
    def op(self) -> str:
        """The operator without overload and trailing underscore; namespace unless ``aten``."""
        target = self.node.target
        schema = getattr(target, "_schema", None)
        if schema is None:
            return str(getattr(target, "__name__", target))
        space, _, name = schema.name.partition("::")
        if any(is_written(a) for a in schema.arguments) and not name.endswith("__"):
            name = name.removesuffix("_")
        return name if space == "aten" else f"{space}::{name}"

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """All arguments by the schema's names, defaults filled in."""
        schema = getattr(self.node.target, "_schema", None)
        if schema is None:
            return {str(i): argument for i, argument in enumerate(self.node.args)}
        found: dict[str, Any] = {}
        for i, argument in enumerate(schema.arguments):
            if i < len(self.node.args):
                found[argument.name] = self.node.args[i]
            else:
                default = argument.default_value if argument.has_default_value() else None
                found[argument.name] = self.node.kwargs.get(argument.name, default)
        return found

    def given(self, name: str) -> bool:
        """Whether an argument exists in this overload and is not None."""
        return self.arguments.get(name) is not None

    def operand(self, *names: str) -> Any:
        """The FX node of the first of some tensor arguments that is given, or None."""
        return next((self.arguments[n] for n in names if self.given(n)), None)

    def tensor(self, *names: str) -> str:
        """The value of the first of some tensor arguments that is given; empty if none is.

        Raises:
            UnsupportedForm: It is no tensor.
        """
        node = self.operand(*names)
        return "" if node is None else self._value(node)

    def tensors(self, name: str) -> list[str]:
        """The values of a list of tensors, empty strings for those left out."""
        found = self.arguments.get(name) or ()
        return ["" if node is None else self._value(node) for node in found]

    def every_tensor(self) -> list[str]:
        """The values of all tensor arguments in the order of the schema."""
        found: list[str] = []
        for argument in self.arguments.values():
            items = argument if isinstance(argument, list | tuple) else [argument]
            found += [self._value(item) for item in items if _is_tensor(item)]
        return found

    def _value(self, node: Any) -> str:
        if not _is_tensor(node):
            raise UnsupportedForm(f"'{node}' is no tensor")
        return self.value_of(node)

    def ints(self, name: str) -> tuple[int, ...]:
        """An argument that is one or more integers; empty where it is None.

        Raises:
            UnsupportedForm: They are computed at run time.
        """
        value = self.arguments.get(name)
        if value is None:
            return ()
        return tuple(_int(v, name) for v in (value if isinstance(value, list | tuple) else [value]))

    def integer(self, name: str, default: int = 0) -> int:
        """An argument that is one integer."""
        value = self.arguments.get(name)
        return default if value is None else _int(value, name)

    def flag(self, name: str) -> bool:
        """An argument that is a boolean; false where it is missing."""
        return bool(self.arguments.get(name))

    def axis(self, rank: int, name: str = "dim") -> int:
        """An axis argument, counted from the front."""
        return self.integer(name) % max(rank, 1)

    def axes(self, rank: int, name: str = "dim") -> tuple[int, ...]:
        """An argument of one or more axes, counted from the front; all of them where empty."""
        found = sorted({axis % max(rank, 1) for axis in self.ints(name)})
        return tuple(found) or tuple(range(rank))

    @cached_property
    def metas(self) -> tuple[Any, ...]:
        """What tracing found of every result."""
        value = self.node.meta.get("val")
        return tuple(value) if isinstance(value, tuple | list) else (value,)

    def shape(self, result: int = 0) -> Shape:
        """The shape of a result.

        Raises:
            UnsupportedForm: It depends on what tensors hold.
        """
        found = hints.shape(self.metas[result])
        if found is None:
            raise UnsupportedForm("its extents depend on what tensors hold")
        return found

    def dtype(self, result: int = 0) -> str:
        """The element type of a result."""
        return hints.dtype(self.metas[result])

    def is_read(self, result: int) -> bool:
        """Whether anything reads a result."""
        return result < len(self.results) and bool(self.results[result])


def _is_tensor(item: Any) -> bool:
    """Whether an argument is an FX node that stands for a tensor."""
    return hasattr(item, "meta") and not hints.is_number(item.meta.get("val"))


def _int(value: Any, name: str) -> int:
    found = hints.number(value.meta.get("val") if hasattr(value, "meta") else value)
    if found is None:
        raise UnsupportedForm(f"'{name}' is computed at run time")
    return int(found)
