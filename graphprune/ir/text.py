"""The graph as text, one line a node, and back.

``print_graph(parse(t)) == t`` for every text that :func:`print_graph` wrote; tests are written
in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphprune.errors import InvalidModel
from graphprune.ir import shapes as shape_rules
from graphprune.ir.graph import Attr, Graph, Kind, Node, Shape, Value
from graphprune.ir.ops import is_canonical

_PLAIN = re.compile(r"[\w./\-]+\Z")
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([\w./\-]+)|(\S))')
_DECLARED: Mapping[str, Kind] = {"input": "input", "param": "param", "const": "const"}
_WORDS = {*_DECLARED, "return", "_"}
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, OverflowError)


def print_graph(graph: Graph) -> str:
    """The whole graph; values in the order they come to be."""
    lines = [f"input {_typed(graph.values[name])}" for name in graph.inputs]
    for value in graph.values.values():
        if value.kind == "param":
            lines.append(f"param {_typed(value)}")
        elif value.kind == "const":
            lines.append(f"const {_typed(value)} = {json.dumps(_flat(value), default=str)}")
    lines += [_node_line(graph, node) for node in graph.nodes]
    lines.append(" ".join(["return", ", ".join(_name(n) for n in graph.outputs)]).strip())
    return "\n".join(lines) + "\n"


def _flat(value: Value) -> list[Any]:
    if value.const is None:
        return []
    array = value.const.ravel()
    # The small floats and integers that NumPy does not know have no JSON form of their own.
    if array.dtype.kind == "V":
        array = array.astype(np.int64 if "int" in array.dtype.name else np.float64)
    flat: list[Any] = array.tolist()
    return flat


def _node_line(graph: Graph, node: Node) -> str:
    left = ", ".join(_typed(graph.values[n]) if n else "_" for n in node.outputs)
    args = ", ".join(_name(n) if n else "_" for n in node.inputs)
    attrs = ", ".join(f"{k}={_attr(v)}" for k, v in sorted(node.attrs.items()))
    return f"{left} = {node.op}({args})".lstrip() + (f" {{{attrs}}}" if attrs else "")


def _name(name: str) -> str:
    return name if _PLAIN.match(name) and name not in _WORDS else json.dumps(name)


def _typed(value: Value) -> str:
    dtype = "" if value.dtype == "float32" else value.dtype
    shape = "?" if value.shape is None else "[" + ",".join(map(str, value.shape)) + "]"
    return f"{_name(value.name)}: {dtype}{shape}"


def _attr(value: Attr) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, separators=(",", ":"))


def parse(text: str) -> Graph:
    """The graph a text describes.

    Result shapes may be left out (``y = pointwise.relu(x)``): they are inferred. Empty lines and
    lines that begin with ``#`` are skipped.

    Args:
        text: One line a value, as :func:`print_graph` writes it.

    Raises:
        InvalidModel: The text is not of that form.
    """
    values: dict[str, Value] = {}
    nodes: list[Node] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            _Line(line, values, nodes, inputs, outputs).read()
        except _MALFORMED as error:
            raise InvalidModel(
                "this is not the text of a graph", where=f"line {number}: {line}", why=str(error)
            ) from error
    return Graph(values, tuple(nodes), tuple(inputs), tuple(outputs))


class _Line:
    """One line being read; results go into the lists it was given."""

    def __init__(
        self,
        line: str,
        values: dict[str, Value],
        nodes: list[Node],
        inputs: list[str],
        outputs: list[str],
    ) -> None:
        self.line = line
        found = list(_TOKEN.finditer(line))
        self.tokens = [m.group(m.lastindex or 0) for m in found]
        self.starts = [m.start(m.lastindex or 0) for m in found]
        self.at = 0
        self.values, self.nodes, self.inputs, self.outputs = values, nodes, inputs, outputs

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise ValueError(f"expected {expected or 'more'} after token {self.at}, got '{token}'")
        self.at += 1
        return token

    def name(self) -> str:
        token = self.take()
        if token == "_":
            return ""
        if not token.startswith('"') and not _PLAIN.match(token):
            raise ValueError(f"expected a name, got '{token}'")
        return str(json.loads(token)) if token.startswith('"') else token

    def json(self) -> Any:
        """The JSON value that begins at the next token."""
        if not self.peek():
            raise ValueError("expected a value at the end of the line")
        value, end = json.JSONDecoder().raw_decode(self.line, self.starts[self.at])
        while self.peek() and self.starts[self.at] < end:
            self.at += 1
        return value

    def read(self) -> None:
        word = self.peek()
        declares = self.tokens[self.at + 1 : self.at + 2] not in ([":"], ["="])
        if word in _DECLARED and declares:
            self.take()
            self.declaration(_DECLARED[word])
        elif word == "return" and declares:
            self.take()
            self.outputs += list(self.names(""))
        else:
            self.node()
        if self.peek():
            raise ValueError(f"nothing may follow, got '{self.peek()}'")

    def names(self, end: str) -> Iterator[str]:
        while self.peek() != end:
            yield self.name()
            if self.peek() != end:
                self.take(",")

    def typed(self) -> tuple[str, str, Shape | None, bool]:
        """A name, its type and shape, and whether these were given."""
        name = self.name()
        if self.peek() != ":":
            return name, "float32", None, False
        self.take(":")
        dtype = "float32" if self.peek() in ("[", "?") else self.take()
        if self.peek() == "?":
            self.take()
            return name, dtype, None, True
        self.take("[")
        shape = tuple(int(v) for v in self.names("]"))
        self.take("]")
        if min(shape, default=0) < 0:
            raise ValueError(f"'{name}' has a negative extent")
        return name, dtype, shape, True

    def declaration(self, kind: Kind) -> None:
        name, dtype, shape, given = self.typed()
        if not given or not name:
            raise ValueError(f"{kind} '{name}' needs a name and a shape")
        const = None
        if kind == "const":
            self.take("=")
            const = np.array(self.json(), dtype=dtype).reshape(shape or ())
        if kind == "input":
            self.inputs.append(name)
        self.add(Value(name, shape, dtype, kind, const, name if kind == "param" else ""))

    def add(self, value: Value) -> None:
        if value.name in self.values:
            raise ValueError(f"'{value.name}' is defined twice")
        self.values[value.name] = value

    def node(self) -> None:
        results: list[tuple[str, str, Shape | None, bool]] = []
        while self.peek() != "=":
            if results:
                self.take(",")
            results.append(self.typed())
        self.take("=")
        op = self.take()
        if not is_canonical(op):
            raise ValueError(f"'{op}' is no canonical op")
        self.take("(")
        operands = tuple(self.names(")"))
        self.take(")")
        node = Node(op, operands, tuple(r[0] for r in results), self.attrs(), (len(self.nodes),))
        typed = [given for name, _, _, given in results if name]
        if any(typed) and not all(typed):
            raise ValueError("either every result has a shape or none")
        shapes = [shape for _, _, shape, _ in results]
        if typed and not any(typed):
            known = [self.values[n].known_shape if n else () for n in operands]
            shapes = list(shape_rules.infer(node, known))
        for (name, dtype, _, _), shape in zip(results, shapes, strict=True):
            if name:
                self.add(Value(name, shape, dtype))
        self.nodes.append(node)

    def attrs(self) -> dict[str, Attr]:
        """``{axis=1, pads=[0,0]}`` as a mapping; every value is JSON."""
        found: dict[str, Attr] = {}
        if self.peek() != "{":
            return found
        self.take("{")
        while self.peek() != "}":
            key = self.name()
            self.take("=")
            value = self.json()
            found[key] = tuple(value) if isinstance(value, list) else value
            if self.peek() != "}":
                self.take(",")
        self.take("}")
        return found
