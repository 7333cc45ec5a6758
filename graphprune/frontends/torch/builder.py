"""What lowering rules write with: values by FX node, nodes with inferred shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphprune.frontends.torch import hints
from graphprune.frontends.torch.aliases import Aliases
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.constants import Array, Constants
from graphprune.frontends.torch.parameters import Parameters
from graphprune.frontends.torch.rules import UnsupportedForm
from graphprune.ir import Attr, Node, Value
from graphprune.ir import shapes as shape_rules
from graphprune.ir.graph import Shape


class Builder:
    """The graph under construction.

    Attributes:
        values: Values so far.
        nodes: Canonical nodes so far.
        constants: Contents of FX nodes that are known.
        bound: The value that each FX node stands for so far.
        aliases: Which FX nodes share memory.
    """

    def __init__(self, parameters: Parameters, aliases: Aliases, taken: frozenset[str]) -> None:
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.constants = Constants()
        self.aliases = aliases
        self._parameters = parameters
        self._taken = taken
        self.bound: dict[Any, str] = {}
        self._call: Call | None = None
        self._origin: tuple[int, ...] = ()
        self._label = ""
        self._mark = 0
        self._temporaries = 0

    def begin(self, call: Call, index: int, label: str) -> None:
        """Nodes emitted from now on come from this call."""
        self._call, self._origin, self._label = call, (index,), label
        self._mark, self._temporaries = len(self.nodes), 0

    def bind(self, node: Any, name: str) -> None:
        """An FX node stands for a value."""
        self.bound[node] = name

    def rebind(self, node: Any, name: str) -> None:
        """An operator wrote into an FX node: it, and what is the same tensor, holds the result."""
        before = self.bound.get(node)
        for other, bound in self.bound.items():
            if bound == before and self.aliases.same(node, other):
                self.bound[other] = name
        self.bound[node] = name

    def outdate(self, node: Any, folded: bool) -> None:
        """Known contents were overwritten: constants read from that memory hold the old ones.

        Args:
            node: What was written into.
            folded: The write is no node of the graph, so what it changes has to stay whole.
        """
        for other in [n for n in self.bound if self.aliases.same(node, n)]:
            if self.values[self.bound[other]].kind == "const":
                del self.bound[other]
            elif folded:
                self.freeze(self.bound[other], "constants are written into it")

    def value(self, node: Any) -> str:
        """The name of the value that an FX node stands for.

        Parameters and constants become values when they are first read.

        Raises:
            UnsupportedForm: Nothing is known of it.
        """
        if node not in self.bound:
            if node in self._parameters.held:
                self.bound[node] = self._parameter(node)
            else:
                self.bound[node] = self._known(node)
        return self.bound[node]

    def _parameter(self, node: Any) -> str:
        source, tensor = self._parameters.source(node), self._parameters.held[node]
        # A parameter may be called like a node of the graph; its placeholder never is.
        name = node.name if source in self._taken else source
        shape = tuple(int(n) for n in tensor.shape)
        if name not in self.values:
            dtype = hints.dtype(tensor)
            self.values[name] = Value(name, shape, dtype, "param", None, source)
        return name

    def _known(self, node: Any) -> str:
        contents = self.constants.array(node)
        if contents is None:
            raise UnsupportedForm(f"'{node.name}' is not known")
        return self.constant(contents, node.name)

    def constant(self, contents: Array, name: str = "") -> str:
        """A value with known contents."""
        name = name if name and name not in self.values else self.temporary()
        array = np.asarray(contents)
        self.values[name] = Value(name, array.shape, str(array.dtype), "const", array)
        return name

    def temporary(self) -> str:
        """A name for a value that no FX node stands for."""
        self._temporaries += 1
        base = self._call.name if self._call else ""
        return f"{base}~{self._temporaries}"

    def shape(self, name: str) -> Shape:
        """Shape of a value.

        Raises:
            UnsupportedForm: It is not known.
        """
        shape = self.values[name].shape
        if shape is None:
            raise UnsupportedForm(f"the shape of '{name}' is not known")
        return shape

    def rank(self, name: str) -> int:
        """Number of axes of a value."""
        return len(self.shape(name))

    def emit(self, op: str, inputs: Sequence[str], **attrs: Attr) -> str:
        """Append a node with one result and give its name; ``dtype`` is the result's type.

        Raises:
            UnsupportedForm: The operands do not fit the canonical operation.
        """
        return self.emit_all(op, inputs, 1, **attrs)[0]

    def emit_all(self, op: str, inputs: Sequence[str], count: int, **attrs: Attr) -> list[str]:
        """As :meth:`emit`, with ``count`` results."""
        dtype = str(attrs.pop("dtype", ""))
        dtype = dtype or (self.values[inputs[0]].dtype if inputs else "float32")
        names = [self.temporary() for _ in range(count)]
        ordered = dict(sorted(attrs.items()))
        node = Node(op, tuple(inputs), tuple(names), ordered, self._origin, self._label)
        try:
            shapes = shape_rules.infer(node, [self.shape(n) if n else () for n in inputs])
        except ValueError as error:
            raise UnsupportedForm(str(error)) from error
        for name, shape in zip(names, shapes, strict=True):
            self.values[name] = Value(name, shape, dtype)
        self.nodes.append(node)
        return names

    def freeze(self, name: str, reason: str) -> None:
        """Keep an operand whole that an operator uses as more than channels."""
        self.opaque([name], (), reason)

    def opaque(self, inputs: Sequence[str], outputs: Sequence[str], reason: str) -> None:
        """Append a node that freezes what it touches."""
        kind = self._call.op if self._call else "opaque"
        attrs: dict[str, Attr] = {"reason": reason, "type": kind}
        operands = tuple(dict.fromkeys(name for name in inputs if name))
        node = Node("opaque", operands, tuple(outputs), attrs, self._origin, self._label)
        self.nodes.append(node)

    def define(self, name: str, shape: Shape | None, dtype: str) -> None:
        """Add a computed value."""
        if name:
            self.values[name] = Value(name, shape, dtype)

    def roll_back(self) -> None:
        """Forget what was emitted since :meth:`begin`."""
        for node in self.nodes[self._mark :]:
            for name in node.outputs:
                self.values.pop(name, None)
        del self.nodes[self._mark :]

    def adopt(self, call: Call, found: Sequence[str]) -> list[str]:
        """Give what a rule made the names and types of the call's results.

        Args:
            call: The call.
            found: What the rule gave, empty names for unknown results.

        Returns:
            The names by which the results go; those that stand for an operand keep its name.

        Raises:
            UnsupportedForm: A result has not the shape that tracing found.
        """
        fresh = {name for node in self.nodes[self._mark :] for name in node.outputs}
        renamed: dict[str, str] = {}
        for i, name in enumerate(found):
            if not name:
                continue
            if self.shape(name) != call.shape(i):
                raise UnsupportedForm(f"lowered to {self.shape(name)}, not {call.shape(i)}")
            if name in fresh and name not in renamed and call.is_read(i):
                renamed[name] = call.results[i]
                self.values[name] = replace(self.values[name], dtype=call.dtype(i))
        self._rename(renamed)
        return [renamed.get(name, name) for name in found]

    def _rename(self, names: dict[str, str]) -> None:
        for old, new in names.items():
            self.values[new] = replace(self.values.pop(old), name=new)
        for i in range(self._mark, len(self.nodes)):
            node = self.nodes[i]
            inputs = tuple(names.get(n, n) for n in node.inputs)
            outputs = tuple(names.get(n, n) for n in node.outputs)
            self.nodes[i] = replace(node, inputs=inputs, outputs=outputs)
