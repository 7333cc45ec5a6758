"""The part of a model whose cost depends on the width of one group.

These are the operations that read or write a value with channels of the group: the layers that
make the channels, those that contract them, and everything in between. What crosses the border
of the part has no such channel, so it has the same shape at every width, and all widths can be
timed on the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from graphprune.data import Feeds
from graphprune.errors import UnsupportedModel
from graphprune.frontends.onnx import Lowered
from graphprune.groups import Alive, Coupling, Group
from graphprune.ir import Graph
from graphprune.measure.agreement import reference
from graphprune.passes.narrow import narrow
from graphprune.passes.narrow.write import materialise


def kept(coupling: Coupling, group: Group, width: int) -> Alive:
    """The mask in which a group has lost all but its first channels.

    Args:
        coupling: The network.
        group: One of its groups.
        width: How many stay, in every row.
    """
    alive = coupling.everything()
    alive[group.units[:, width:]] = False
    return alive


def narrowed(lowered: Lowered, coupling: Coupling, group: Group, width: int) -> onnx.ModelProto:
    """The model with one group narrowed; which channels stay makes no difference to time.

    Args:
        lowered: The model.
        coupling: Its groups.
        group: The group.
        width: Its width.
    """
    return materialise(narrow(lowered, coupling, kept(coupling, group, width)))


def extract(
    model: onnx.ModelProto, coupling: Coupling, group: Group
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Cuts the part out of a model.

    Args:
        model: The model, narrowed or not, with its weights.
        coupling: The groups of the model as it was before.
        group: The group.

    Returns:
        The part, and the names of its inputs.

    Raises:
        UnsupportedModel: Operations with sub-graphs have channels of the group.
    """
    chosen = _nodes(model, coupling, touched(coupling, group))
    nodes = [node for at, node in enumerate(model.graph.node) if at in chosen]
    made = {name for node in nodes for name in node.output if name}
    read = dict.fromkeys(name for node in nodes for name in node.input if name)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in read]
    inside = made | {tensor.name for tensor in weights}
    inputs = tuple(name for name in read if name not in inside)
    outputs = made & _wanted(model, chosen)
    part = helper.make_graph(
        nodes,
        f"{group.name}",
        [_info(coupling.graph, name) for name in inputs],
        [_info(coupling.graph, x) for x in sorted(outputs) if _is_activation(coupling.graph, x)],
        weights,
    )
    found = helper.make_model(
        part,
        opset_imports=model.opset_import,
        functions=model.functions,
        ir_version=model.ir_version,
    )
    return found, inputs


def touched(coupling: Coupling, group: Group) -> frozenset[str]:
    """The activations that have channels of a group."""
    units = np.zeros(coupling.units + 1, bool)
    units[group.units] = True
    return frozenset(
        name
        for name, layers in coupling.layers.items()
        if coupling.graph.values[name].kind != "param"
        and any(units[layer.ids].any() for layer in layers)
    )


def boundary(model: onnx.ModelProto, graph: Graph, names: tuple[str, ...], feeds: Feeds) -> Feeds:
    """What the model computes for the inputs of a part: activations as they really are.

    Args:
        model: The whole model.
        graph: Its canonical form.
        names: The inputs of the part.
        feeds: Inputs of the model.

    Raises:
        BackendUnavailable: onnxruntime is not installed.
        BackendError: It refuses the model or the inputs.
    """
    inner = [name for name in names if name not in feeds]
    if not inner:
        return {name: feeds[name] for name in names}
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {info.name for info in whole.graph.output}
    whole.graph.output.extend(_info(graph, name) for name in inner if name not in known)
    computed: Mapping[str, np.ndarray] = reference(whole, feeds)
    return {name: feeds[name] if name in feeds else computed[name] for name in names}


def _nodes(model: onnx.ModelProto, coupling: Coupling, names: frozenset[str]) -> set[int]:
    """The indices of the nodes of the part.

    Shapes and other figures that nodes compute may depend on the width, so what is no activation
    is computed inside.
    """
    nodes = list(model.graph.node)
    makers = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    waiting = [at for at, node in enumerate(nodes) if names & {*node.input, *node.output}]
    chosen: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at in chosen:
            continue
        node = nodes[at]
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise UnsupportedModel(
                "the group's operations cannot be cut out of the model",
                where=node.name or node.op_type,
                why=f"{node.op_type} has a sub-graph",
                fix="measure the whole model: --whole",
            )
        chosen.add(at)
        waiting += [
            makers[name]
            for name in node.input
            if name in makers and not _is_activation(coupling.graph, name)
        ]
    return chosen


def _wanted(model: onnx.ModelProto, chosen: set[int]) -> set[str]:
    """What the rest of the model reads, and what it gives."""
    rest = (node for at, node in enumerate(model.graph.node) if at not in chosen)
    read = {name for node in rest for name in node.input}
    return read | {info.name for info in model.graph.output}


def _is_activation(graph: Graph, name: str) -> bool:
    """Whether a value is a tensor of floats that depends on the model's inputs."""
    value = graph.values.get(name)
    return (
        value is not None
        and value.kind in ("input", "computed")
        and value.shape is not None
        and np.dtype(value.dtype).kind == "f"
    )


def _info(graph: Graph, name: str) -> onnx.ValueInfoProto:
    value = graph.values[name]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return helper.make_tensor_value_info(name, kind, list(value.known_shape))
