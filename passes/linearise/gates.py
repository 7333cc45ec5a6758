"""Which operands only scale what others carry: squeeze-and-excitation and other attention gates.

A network without its nonlinearities is linear in its input only if no activation multiplies
another one. Where one does, the gate is bypassed like a nonlinearity: it counts as one.
"""

from __future__ import annotations

from math import prod

from graphprune.ir import Graph, Node

_WEIGHTED = {"conv": 1, "conv_transpose": 1, "contract": 2, "lstm": 2, "gru": 2, "rnn": 2}
_PRODUCTS = ("pointwise.mul", "pointwise.multiply", "pointwise.glu")
_QUOTIENTS = ("pointwise.div", "pointwise.divide", "pointwise.true_divide")
# What may lie between a softmax and the product with the values it weights.
_BETWEEN = ("pointwise", "reshape", "transpose", "expand", "slice")


def gates(graph: Graph) -> dict[int, int]:
    """The operand that is a gate, by index of the node that multiplies two activations.

    The gate is the operand that is broadcast; of two equally large ones, the one that weights
    compute from the other; of two that are neither, the second. A divisor is a gate, and so are
    the attention weights that a softmax gave; other matrix products of two activations have none.

    Args:
        graph: Any graph.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    steady = constants(graph)
    found = {}
    for i, node in enumerate(graph.nodes):
        moving = [j for j, name in enumerate(node.inputs) if name and name not in steady]
        if len(moving) < 2:
            continue
        if node.op in _PRODUCTS:
            found[i] = _gate(graph, node, makers, (moving[0], moving[1]))
        elif node.op in _QUOTIENTS:
            found[i] = 1
        elif node.family == "contract":
            shares = [j for j in moving if _is_softmax(makers, node.inputs[j])]
            found.update({i: shares[0]} if len(shares) == 1 else {})
    return found


def constants(graph: Graph) -> frozenset[str]:
    """The values that do not depend on the input of the graph.

    Args:
        graph: Any graph.
    """
    steady = {value.name for value in graph.values.values() if value.kind in ("param", "const")}
    for node in graph.nodes:
        if all(name in steady for name in node.inputs if name) and node.family != "opaque":
            steady.update(node.outputs)
    return frozenset(steady)


def carrying(graph: Graph) -> frozenset[int]:
    """The nodes from which a path leads to an output other than through a gate.

    Args:
        graph: Any graph.
    """
    gated, wanted, found = gates(graph), set(graph.outputs), set()
    for i, node in reversed(list(enumerate(graph.nodes))):
        if wanted.intersection(node.outputs):
            found.add(i)
            wanted.update(name for j, name in enumerate(node.inputs) if j != gated.get(i))
    return frozenset(found)


def _is_softmax(makers: dict[str, Node], name: str) -> bool:
    """Whether a softmax gave a value, apart from what masks, scales or moves it."""
    while name in makers and makers[name].family in _BETWEEN:
        name = makers[name].inputs[0]
    return name in makers and makers[name].family == "softmax"


def _gate(graph: Graph, node: Node, makers: dict[str, Node], pair: tuple[int, int]) -> int:
    names = [node.inputs[i] for i in pair]
    shapes = [graph.values[name].shape for name in names]
    if shapes[0] is not None and shapes[1] is not None and prod(shapes[0]) != prod(shapes[1]):
        return pair[int(prod(shapes[1]) < prod(shapes[0]))]
    if _is_computed_from(makers, names[0], names[1]):
        return pair[0]
    return pair[1]


def _is_computed_from(makers: dict[str, Node], one: str, other: str) -> bool:
    """Whether weights on the way lead from one value to another."""
    seen, todo = set[tuple[str, bool]](), [(one, False)]
    while todo:
        name, weighted = todo.pop()
        if name == other and weighted:
            return True
        node = makers.get(name)
        if node is None or (name, weighted) in seen:
            continue
        seen.add((name, weighted))
        through = weighted or node.family in _WEIGHTED
        todo += [(operand, through) for operand in node.inputs if operand]
    return False
