"""The model's operations as one flat list: local functions opened, references resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import onnx
from onnx import helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.model import OnnxModel

_MAX_DEPTH = 64


@dataclass(frozen=True, eq=False)
class Native:
    """One ONNX operation.

    Attributes:
        index: Position in the flat list.
        proto: The node; for one inside a function, a copy with the call's names.
        call: Index of the node of the main graph it is, or was opened from.
        opset: Version of its domain.
        opened: Whether it comes from a local function's body.
    """

    index: int
    proto: onnx.NodeProto
    call: int
    opset: int
    opened: bool

    @property
    def op_type(self) -> str:
        """Operator name, with its domain where that is not ONNX's own."""
        domain = self.proto.domain
        prefix = "" if domain in ("", "ai.onnx") else f"{domain}::"
        return prefix + self.proto.op_type

    @property
    def title(self) -> str:
        """The node's name, or its first output's."""
        return self.proto.name or next((o for o in self.proto.output if o), self.proto.op_type)

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        """Attribute values by name; byte strings decoded."""
        found = {}
        for attribute in self.proto.attribute:
            value = helper.get_attribute_value(attribute)
            found[attribute.name] = (
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            )
        return found

    def ints(self, name: str) -> tuple[int, ...] | None:
        """An attribute that is a list of integers, or None where absent."""
        value = self.attrs.get(name)
        return None if value is None else tuple(int(v) for v in value)

    def operand(self, index: int) -> str:
        """Name of an operand; empty where omitted."""
        return self.proto.input[index] if index < len(self.proto.input) else ""


def flatten(model: OnnxModel) -> list[Native]:
    """Every operation of the model in order, function calls replaced by their bodies.

    Args:
        model: A model, its local functions in it.

    Raises:
        InvalidModel: A function calls itself.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.proto.functions}
    opsets = {o.domain: o.version for o in model.proto.opset_import}
    natives: list[Native] = []
    for call, node in enumerate(model.proto.graph.node):
        for proto, version, opened in _open(node, functions, opsets, f"@{call}", 0):
            natives.append(Native(len(natives), proto, call, version, opened))
    return natives


Functions = Mapping[tuple[str, str, str], onnx.FunctionProto]


def _open(
    node: onnx.NodeProto, functions: Functions, opsets: Mapping[str, int], path: str, depth: int
) -> Iterator[tuple[onnx.NodeProto, int, bool]]:
    """The node itself, or the renamed body of the function it calls."""
    function = functions.get((node.domain, node.op_type, node.overload))
    if function is None:
        yield node, _version(opsets, node.domain), depth > 0
        return
    if depth > _MAX_DEPTH:
        raise InvalidModel(f"function '{function.name}' calls itself", where=node.name or path)
    inner = {o.domain: o.version for o in function.opset_import} or opsets
    names = dict(zip_longest(function.input, node.input[: len(function.input)], fillvalue=""))
    results = [(f, a) for f, a in zip(function.output, node.output, strict=False) if a]
    names.update((formal, actual) for formal, actual in results if formal not in names)
    given = {a.name: a for a in function.attribute_proto} | {a.name: a for a in node.attribute}
    for position, body in enumerate(function.node):
        clone = _clone(body, names, given, f"{path}.{position}", node.name)
        yield from _open(clone, functions, inner, f"{path}.{position}", depth + 1)
    for formal, actual in results:
        if formal in function.input and names[formal]:  # an input handed through
            identity = helper.make_node("Identity", [names[formal]], [actual], name=actual)
            yield identity, _version(inner, ""), True


def _version(opsets: Mapping[str, int], domain: str) -> int:
    """The version imported of a domain; 0 where none is."""
    names = ("", "ai.onnx") if domain in ("", "ai.onnx") else (domain,)
    return next((opsets[n] for n in names if n in opsets), 0)


def _clone(
    body: onnx.NodeProto,
    names: dict[str, str],
    given: Mapping[str, onnx.AttributeProto],
    path: str,
    caller: str,
) -> onnx.NodeProto:
    """A function's node with the call's names and attributes filled in."""
    clone = onnx.NodeProto()
    clone.CopyFrom(body)
    del clone.input[:], clone.output[:], clone.attribute[:]
    clone.input.extend(names.get(n, n + path.split(".")[0]) if n else "" for n in body.input)
    clone.name = f"{caller}/{body.name}" if caller and body.name else body.name or ""
    for attribute in body.attribute:
        filled = onnx.AttributeProto()
        if attribute.ref_attr_name and attribute.ref_attr_name not in given:
            continue
        filled.CopyFrom(given.get(attribute.ref_attr_name, attribute))
        filled.name = attribute.name
        for graph in (*([filled.g] if filled.HasField("g") else []), *filled.graphs):
            if not attribute.ref_attr_name:  # one handed in has the caller's names
                _rename(graph, names, given, path, caller)
        clone.attribute.append(filled)
    for name in body.output:
        if name:
            names.setdefault(name, name + path)
        clone.output.append(names[name] if name else "")
    return clone


def _rename(
    graph: onnx.GraphProto,
    names: Mapping[str, str],
    given: Mapping[str, onnx.AttributeProto],
    path: str,
    caller: str,
) -> None:
    """Rename a sub-graph of a function's body: what it defines, and what it reads from outside."""
    tensors = (*graph.initializer, *(t.values for t in graph.sparse_initializer))
    own = [i.name for i in graph.input] + [t.name for t in tensors]
    own += [name for node in graph.node for name in node.output if name]
    inner = {**names, **{name: name + path for name in own}}
    nodes = [_clone(node, inner, given, path, caller) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for item in (*graph.input, *graph.output, *graph.value_info, *tensors):
        item.name = inner.get(item.name, item.name)


def captured(graphs: Iterable[onnx.GraphProto]) -> set[str]:
    """Names that sub-graphs read from outside themselves.

    Args:
        graphs: The bodies of an If, Loop or Scan.
    """
    free: set[str] = set()
    for graph in graphs:
        own = {i.name for i in graph.input} | {t.name for t in graph.initializer}
        own |= {t.values.name for t in graph.sparse_initializer}
        own |= {o for node in graph.node for o in node.output}
        read = {name for node in graph.node for name in node.input if name}
        read |= {o.name for o in graph.output}
        inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        inner += [g for node in graph.node for a in node.attribute for g in a.graphs]
        free |= (read | captured(inner)) - own
    return free
