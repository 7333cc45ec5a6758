"""The layers that hold weights, in the order of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphprune.ir import Graph, Node
from graphprune.passes.linearise.gates import carrying

# The operands that may hold the weights of a layer.
OPERANDS = {
    "conv": (1,),
    "conv_transpose": (1,),
    "contract": (0, 1),
    "lstm": (1, 2),
    "gru": (1, 2),
    "rnn": (1, 2),
}
# What a frontend may put between a parameter and the layer that reads it.
_MOVES = ("transpose", "reshape", "slice", "expand", "dequantize", "quantize")


@dataclass(frozen=True)
class Weight:
    """A weight tensor the way one layer uses it.

    Attributes:
        param: Name of the parameter value.
        node: Index of the layer's node.
        operand: Which of its operands the weight is.
        depthwise: Whether each of its channels passes through one filter alone.
        gated: Whether the layer reaches the outputs through gates only.
    """

    param: str
    node: int
    operand: int
    depthwise: bool
    gated: bool


def weights(graph: Graph) -> tuple[Weight, ...]:
    """Every use of a parameter as the weights of a convolution, product or recurrent cell.

    Args:
        graph: Any graph.
    """
    return tuple(_found(graph))


def _found(graph: Graph) -> Iterator[Weight]:
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    open_ = carrying(graph)
    for i, node in enumerate(graph.nodes):
        for operand in OPERANDS.get(node.family, ()):
            if operand < len(node.inputs) and node.inputs[operand]:
                name = origin(makers, node.inputs[operand])
                value = graph.values[name]
                if value.kind == "param" and value.shape is not None and len(value.shape) > 1:
                    yield Weight(name, i, operand, _is_depthwise(graph, node), i not in open_)


def origin(makers: dict[str, Node], name: str) -> str:
    """The value that another one was moved or cast from.

    Args:
        makers: The node that computes each value.
        name: A value.
    """
    while name in makers:
        node = makers[name]
        if node.family not in _MOVES and node.op not in ("pointwise.cast", "pointwise.identity"):
            break
        name = node.inputs[0]
    return name


def _is_depthwise(graph: Graph, node: Node) -> bool:
    shape = graph.values[node.inputs[1]].shape
    return node.int("groups", 1) > 1 and shape is not None and shape[1] == 1
