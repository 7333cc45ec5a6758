"""The graph as text, one line a node, and back.

``parse(print_graph(g))`` prints the same text again; tests are written in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import numpy as np

from graphprune.errors import InvalidModel
from graphprune.ir import shapes as shape_rules
from graphprune.ir.graph import Attr, Graph, Kind, Node, Shape, Value
from graphprune.ir.ops import is_canonical

_PLAIN = re.compile(r"[\w./\-]+\Z")
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([\w./\-]+)|(.))')


def print_graph(graph: Graph) -> str:
    """The whole graph; values in the order they come to be."""
    lines = [f"input {_typed(graph.values[name])}" for name in graph.inputs]
    for value in graph.values.values():
        if value.kind == "param":
            lines.append(f"param {_typed(value)}")
        elif value.kind == "const":
            flat = [] if value.const is None else value.const.ravel().tolist()
            lines.append(f"const {_typed(value)} = {json.dumps(flat)}")
    lines += [_node_line(graph, node) for node in graph.nodes]
    lines.append("return " + ", ".join(_name(n) for n in graph.outputs))
    return "\n".join(lines) + "\n"


def _node_line(graph: Graph, node: Node) -> str:
    left = ", ".join(_typed(graph.values[n]) if n else "_" for n in node.outputs)
    args = ", ".join(_name(n) if n else "_" for n in node.inputs)
    attrs = ", ".join(f"{k}={_attr(v)}" for k, v in sorted(node.attrs.items()))
    return f"{left} = {node.op}({args})" + (f" {{{attrs}}}" if attrs else "")


def _name(name: str) -> str:
    return name if _PLAIN.match(name) and name != "_" else json.dumps(name)


def _typed(value: Value) -> str:
    dtype = "" if value.dtype == "float32" else value.dtype
    shape = "?" if value.shape is None else "[" + ",".join(map(str, value.shape)) + "]"
    return f"{_name(value.name)}: {dtype}{shape}"


def _attr(value: Attr) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, separators=(",", ":"))


def parse(text: str) -> Graph:
    """The graph a text describes.

    Result shapes may be left out (``y = pointwise.relu(x)``): they are inferred.

    Raises:
        InvalidModel: The text is not of the form that :func:`print_graph` writes.
    """
    values: dict[str, Value] = {}
    nodes: list[Node] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip() if raw.lstrip().startswith("#") else raw.strip()
        if not line:
            continue
        try:
            _Line(line, values, nodes, inputs, outputs).read()
        except (ValueError, KeyError, StopIteration) as error:
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
        self.tokens = [m.group(1) or m.group(2) or m.group(3) for m in _TOKEN.finditer(line)]
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
        return str(json.loads(token)) if token.startswith('"') else token

    def read(self) -> None:
        word = self.peek()
        following = self.tokens[self.at + 1 : self.at + 2]
        if word in ("input", "param", "const") and following not in ([":"], ["="]):
            self.take()
            self.declaration(word)
        elif word == "return":
            self.take()
            self.outputs += list(self.names(""))
        else:
            self.node()

    def names(self, end: str) -> Iterator[str]:
        while self.peek() != end:
            yield self.name()
            if self.peek() == ",":
                self.take()

    def typed(self) -> tuple[str, str, Shape | None]:
        name = self.name()
        if self.peek() != ":":
            return name, "float32", ()
        self.take(":")
        dtype = "float32" if self.peek() in ("[", "?") else self.take()
        if self.peek() == "?":
            self.take()
            return name, dtype, None
        self.take("[")
        shape = tuple(int(v) for v in self.names("]"))
        self.take("]")
        return name, dtype, shape

    def declaration(self, kind: str) -> None:
        name, dtype, shape = self.typed()
        const = None
        if kind == "const":
            self.take("=")
            flat = json.loads(self.line.split("=", 1)[1])
            const = np.array(flat, dtype=dtype).reshape(shape or ())
        if kind == "input":
            self.inputs.append(name)
        source = name if kind == "param" else ""
        self.add(Value(name, shape, dtype, _kind(kind), const, source))

    def add(self, value: Value) -> None:
        if value.name in self.values:
            raise ValueError(f"'{value.name}' is defined twice")
        self.values[value.name] = value

    def node(self) -> None:
        results: list[tuple[str, str, Shape | None]] = []
        given = ":" in self.tokens[: self.tokens.index("=")]
        while self.peek() != "=":
            results.append(self.typed())
            if self.peek() == ",":
                self.take()
        self.take("=")
        op = self.take()
        if not is_canonical(op):
            raise ValueError(f"'{op}' is no canonical op")
        self.take("(")
        operands = tuple(self.names(")"))
        self.take(")")
        attrs = _attrs(self.line[self.line.rindex("{") :]) if self.peek() == "{" else {}
        node = Node(op, operands, tuple(r[0] for r in results), attrs, (len(self.nodes),))
        known = [self.values[n].known_shape if n else () for n in operands] if not given else []
        shapes = [r[2] for r in results] if given else shape_rules.infer(node, known)
        for (name, dtype, _), shape in zip(results, shapes, strict=True):
            if name:
                self.add(Value(name, shape, dtype))
        self.nodes.append(node)


def _kind(word: str) -> Kind:
    kinds: Mapping[str, Kind] = {"input": "input", "param": "param", "const": "const"}
    return kinds[word]


def _attrs(text: str) -> dict[str, Attr]:
    """``{axis=1, pads=[0,0]}`` as a mapping; every value is JSON."""
    body = re.sub(r"(\w+)=", r'"\1":', text)
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in json.loads(body).items()
    }
