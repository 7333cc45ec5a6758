"""The layers of a network: what holds weights, and which groups its results belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphprune.groups import Coupling, Ids
from graphprune.ir import Node
from graphprune.ir.shapes import letters

CONVOLUTION, LINEAR, RECURRENT = "convolution", "linear layer", "recurrent layer"
_FAMILIES = {
    "conv": CONVOLUTION,
    "conv_transpose": CONVOLUTION,
    "contract": LINEAR,
    "lstm": RECURRENT,
    "gru": RECURRENT,
    "rnn": RECURRENT,
}

# Names that exporters make up tell a reader nothing; the node's own name does.
_MADE_UP = re.compile(r"onnx::|(val|const|_v|initializer|tensor)_?\d+\b|\d+\Z|node_")


@dataclass(frozen=True)
class WeightLayer:
    """One convolution, linear or recurrent layer.

    Attributes:
        name: Its weight, or its node where the weight's name is made up.
        title: Name of its node.
        family: "convolution", "linear layer" or "recurrent layer".
        kind: What it is, for people: ``conv 3×3``.
        width: Extent of its result along the channels.
        groups: How many of these belong to each group, by name; all others are frozen.
    """

    name: str
    title: str
    family: str
    kind: str
    width: int
    groups: Mapping[str, int]

    @property
    def prunable(self) -> bool:
        """Whether any of its results may be removed."""
        return bool(self.groups)


def is_made_up(name: str) -> bool:
    """Whether an exporter numbered this name instead of taking it from the source."""
    return _MADE_UP.match(name) is not None


def readers(coupling: Coupling) -> dict[str, tuple[Node, ...]]:
    """The nodes that read each value."""
    found: dict[str, list[Node]] = {}
    for node in coupling.graph.nodes:
        for name in dict.fromkeys(filter(None, node.inputs)):
            found.setdefault(name, []).append(node)
    return {name: tuple(nodes) for name, nodes in found.items()}


def labels(coupling: Coupling) -> dict[str, str]:
    """What to call the layer of every parameter; ``--keep`` understands all of these names."""
    used = readers(coupling)
    found = {}
    for value in coupling.graph.params:
        name = value.source or value.name
        if is_made_up(name):
            nodes = used.get(value.name, ())
            found[value.name] = _borrowed(coupling, nodes[0], used) if nodes else name
        else:
            found[value.name] = name.removesuffix(".weight")
    return found


def _borrowed(coupling: Coupling, node: Node, used: Mapping[str, tuple[Node, ...]]) -> str:
    """The name of a node's bias, or of the one that is added to its result; else its own."""
    following = used.get(node.outputs[0], ())
    operands = [*node.inputs, *(following[0].inputs if len(following) == 1 else ())]
    for name in operands:
        value = coupling.graph.values.get(name)
        if value is not None and value.kind == "param" and value.source.endswith(".bias"):
            return value.source.removesuffix(".bias")
    return node.title


def weight_layers(coupling: Coupling) -> tuple[WeightLayer, ...]:
    """All layers with weights, in the order of the network."""
    names, weights = labels(coupling), _weights(coupling)
    homes = _homes(coupling)
    found = []
    for node in coupling.graph.nodes:
        place = _place(node, weights)
        if place is None or coupling.graph.values[place.result].shape is None:
            continue
        line = _line(coupling, place.result, place.axis)
        owners = Counter(homes[unit] for unit in line.tolist())
        owners.pop("", None)
        found.append(
            WeightLayer(
                name=names[weights[place.weight]],
                title=node.title,
                family=_FAMILIES[node.family],
                kind=_kind(coupling, node),
                width=coupling.graph.values[place.result].known_shape[place.axis],
                groups=dict(owners),
            )
        )
    return tuple(found)


def _weights(coupling: Coupling) -> dict[str, str]:
    """The parameter that every value made of parameters only comes from."""
    roots = {value.name: value.name for value in coupling.graph.params}
    constants = {v.name for v in coupling.graph.values.values() if v.kind == "const"}
    for node in coupling.graph.nodes:
        operands = [name for name in node.inputs if name and name not in constants]
        if operands and all(name in roots for name in operands):
            roots.update(dict.fromkeys(filter(None, node.outputs), roots[operands[0]]))
    return roots


@dataclass(frozen=True)
class _Place:
    """A layer's weight, and the axis of a result that the weight's filters make."""

    weight: str
    result: str
    axis: int


def _place(node: Node, weights: Mapping[str, str]) -> _Place | None:
    if node.family not in _FAMILIES:
        return None
    if node.family == "contract":
        return _product(node, weights)
    index, result = next((i, name) for i, name in enumerate(node.outputs) if name)
    if node.inputs[1] not in weights:
        return None
    # The first result of a recurrent layer has directions before its hidden units, states have not.
    axis = 1 if node.family in ("conv", "conv_transpose") else 2 if index else 3
    return _Place(node.inputs[1], result, axis)


def _product(node: Node, weights: Mapping[str, str]) -> _Place | None:
    left, right, out = letters(node)
    known = [name in weights for name in node.inputs[:2]]
    if sum(known) != 1:
        return None
    own, other = (left, right) if known[0] else (right, left)
    free = [letter for letter in own if letter in out and letter not in other]
    if not free:
        return None
    return _Place(node.inputs[known.index(True)], node.outputs[0], out.index(free[-1]))


def _homes(coupling: Coupling) -> list[str]:
    """The name of every unit's group, empty for those that stay."""
    homes = [""] * (coupling.units + 1)
    for group in coupling:
        for unit in group.units.ravel().tolist():
            homes[unit] = group.name
    return homes


def _line(coupling: Coupling, value: str, axis: int) -> Ids:
    """The units along an axis; rows of other axes are like the first."""
    for layer in coupling.layers.get(value, ()):
        if layer.axis == axis:
            line: Ids = layer.rectangle()[0]
            return line
    return np.zeros(1, dtype=np.int64)


def _kind(coupling: Coupling, node: Node) -> str:
    if node.family not in ("conv", "conv_transpose"):
        return {"contract": "linear"}.get(node.family, node.family)
    shape = coupling.graph.values[node.inputs[1]].known_shape
    groups = node.int("groups", 1)
    plain = "conv" if node.family == "conv" else "transposed conv"
    depthwise = groups > 1 and shape[1] == 1 and node.family == "conv"
    word = "depthwise" if depthwise else plain if groups == 1 else f"{plain} in {groups}"
    return f"{word} {'×'.join(map(str, shape[2:]))}"
