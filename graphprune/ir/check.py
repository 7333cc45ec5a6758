"""Well-formedness of a graph: what every pass may rely on."""

from __future__ import annotations

from graphprune.errors import InvalidModel
from graphprune.ir import shapes
from graphprune.ir.graph import Graph, Node, Value
from graphprune.ir.ops import is_canonical


def check(graph: Graph) -> None:
    """Assert that a graph is one.

    Every op is canonical, every operand is defined before it is read, nothing is defined twice,
    every result has the shape its rule gives, and every graph output exists.

    Args:
        graph: Any graph.

    Raises:
        InvalidModel: It is not; the message names the line.
    """
    for name, value in graph.values.items():
        _check_value(graph, name, value)
    for name in graph.inputs:
        if name not in graph.values or graph.values[name].kind != "input":
            raise InvalidModel(f"input '{name}' is no value of kind input")
    if len(set(graph.inputs)) < len(graph.inputs):
        raise InvalidModel("an input is listed twice")
    defined = {v.name for v in graph.values.values() if v.kind != "computed"}
    for node in graph.nodes:
        _check_node(graph, node, defined)
        defined.update(name for name in node.outputs if name)
    for name in graph.outputs:
        if name not in defined:
            raise InvalidModel(f"output '{name}' is never computed")
    for name in graph.values:
        if name not in defined:
            raise InvalidModel(f"value '{name}' is never computed")


def _check_value(graph: Graph, name: str, value: Value) -> None:
    if not name or name != value.name:
        raise InvalidModel(f"value '{value.name}' is filed under '{name}'")
    if value.shape is not None and min(value.shape, default=0) < 0:
        raise InvalidModel(f"value '{name}' has a negative extent", where=str(list(value.shape)))
    if value.kind == "input" and name not in graph.inputs:
        raise InvalidModel(f"input '{name}' is not listed among the inputs")
    if value.kind == "const" and value.const is None:
        raise InvalidModel(f"constant '{name}' holds nothing")
    if value.const is not None and value.const.shape != value.shape:
        raise InvalidModel(f"constant '{name}' holds {value.const.shape}, not {value.shape}")


def _check_node(graph: Graph, node: Node, defined: set[str]) -> None:
    where = f"{node.op} {node.title}"
    if not is_canonical(node.op):
        raise InvalidModel(f"'{node.op}' is no canonical op", where=where)
    for name in node.inputs:
        if name and name not in defined:
            raise InvalidModel(f"operand '{name}' is read before it is computed", where=where)
    results = [name for name in node.outputs if name]
    for name in results:
        if name in defined or name not in graph.values or results.count(name) > 1:
            raise InvalidModel(f"result '{name}' is defined twice or has no value", where=where)
    if node.family != "opaque":
        _check_shapes(graph, node, where)


def _check_shapes(graph: Graph, node: Node, where: str) -> None:
    known = [graph.values[name].shape if name else () for name in node.inputs]
    if any(shape is None for shape in known):
        return
    try:
        inferred = shapes.infer(node, [shape for shape in known if shape is not None])
    except ValueError as error:
        raise InvalidModel("operands do not fit together", where=where, why=str(error)) from error
    if len(inferred) != len(node.outputs):
        raise InvalidModel(
            f"{len(node.outputs)} results are named, {len(inferred)} computed", where=where
        )
    for name, shape in zip(node.outputs, inferred, strict=True):
        if name and graph.values[name].shape != shape:
            raise InvalidModel(
                f"'{name}' is declared {graph.values[name].shape}, but computed as {shape}",
                where=where,
            )
